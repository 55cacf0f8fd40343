import copy

import torch

from scenehue.models.network import ColorNet
from scenehue.params import ModelParams
from scenehue.training.depthwise import keep_depthwise_in_float32


def test_same_weights_same_float32_results_and_only_depthwise_ones_leave_autocast() -> None:
    torch.manual_seed(0)
    net = ColorNet(ModelParams(pretrained=False, decoder_channels=(16, 12, 8), decoder_block="separable")).eval()
    changed = copy.deepcopy(net)
    keep_depthwise_in_float32(changed)
    assert changed.state_dict().keys() == net.state_dict().keys()
    lightness = torch.rand(1, 1, 64, 64) * 100
    assert torch.equal(net(lightness).ab, changed(lightness).ab)

    dtypes = {}
    for name, module in changed.named_modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(
                lambda module, _, output, name=name: dtypes.update({name: (module.groups > 1, output.dtype)})
            )
    with torch.autocast("cpu", torch.bfloat16):
        changed(lightness)
    assert {dtype for depthwise, dtype in dtypes.values() if depthwise} == {torch.float32}
    assert {dtype for depthwise, dtype in dtypes.values() if not depthwise} == {torch.bfloat16}

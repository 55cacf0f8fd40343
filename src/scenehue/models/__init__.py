"""The networks: the paper's U-Net, timm encoders in the same U-Net, scene context, heads."""

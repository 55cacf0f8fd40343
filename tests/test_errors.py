import pickle

from scenehue.errors import PhotoError


def test_a_photo_error_crosses_processes() -> None:
    error = pickle.loads(pickle.dumps(PhotoError("a b.jpg", "is empty")))
    assert (str(error), error.path, error.reason) == ("a b.jpg: is empty", "a b.jpg", "is empty")

"""Makes the reference packages importable, and keeps them off the network.

torchvision's build for another torch registers kernels that are not there; only their registration
fails, and none of them is used.
"""

import importlib.util

import pytest

if importlib.util.find_spec("torch"):
    import torch.hub
    import torch.library

    register_fake = torch.library.register_fake

    def register_what_is_there(name, function=None, /, **keywords):
        if isinstance(name, str) and name.startswith("torchvision::"):
            return function or (lambda function: function)
        return register_fake(name, function, **keywords)

    def refuse(url, *arguments, **keywords):
        raise RuntimeError(f"the tests use no network, but {url} was asked for")

    torch.library.register_fake = register_what_is_there
    torch.hub.load_state_dict_from_url = refuse
    torch.hub.download_url_to_file = refuse


def pytest_collection_modifyitems(items):
    """The packages warn of each other's age."""
    for item in items:
        if "parity" in item.path.parts:
            item.add_marker(pytest.mark.filterwarnings("ignore"))

"""The weight files that the world uses: their hashes, and where one gets them.

Hashes of inception, vgg16, vgg19 and alexnet are as several public projects record them, and begin
as the files' names say; those of lpips were computed from the package's own files.
"""

from __future__ import annotations

from dataclasses import dataclass

TORCHVISION = "https://download.pytorch.org/models"
LPIPS = "https://github.com/richzhang/PerceptualSimilarity/tree/master/lpips/weights/v0.1"


@dataclass(frozen=True)
class KnownFile:
    """A file, by its whole sha256, and the network whose weights it holds.

    `content_sha256` is that of the variables it becomes (`store.content_sha256`), where the project
    has had the file in its hands; "" elsewhere.
    """

    network: str
    name: str
    sha256: str
    source: str
    content_sha256: str = ""


INCEPTION_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
LPIPS_VGG16_SHA256 = "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868"
LPIPS_VGG16_CONTENT = "9b3c0f60b0c44e9f11d351ccd2e027a943496cfccc5c683adb1fc16312ada825"

KNOWN = (
    KnownFile(
        "inception",
        "pt_inception-2015-12-05-6726825d.pth",
        INCEPTION_SHA256,
        "https://github.com/mseitzer/pytorch-fid/releases/tag/fid_weights",
    ),
    KnownFile(
        "inception",
        "weights-inception-2015-12-05-6726825d.pth",
        INCEPTION_SHA256,
        "https://github.com/toshas/torch-fidelity/releases/tag/v0.2.0",
    ),
    KnownFile(
        "inception",
        "inception-2015-12-05.pt",
        "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4",
        "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/",
    ),
    KnownFile(
        "vgg16",
        "vgg16-397923af.pth",
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        TORCHVISION,
    ),
    KnownFile(
        "vgg19",
        "vgg19-dcbb9e9d.pth",
        "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
        TORCHVISION,
    ),
    KnownFile(
        "lpips",
        "vgg.pth",
        LPIPS_VGG16_SHA256,
        f"the lpips package, or {LPIPS}",
        LPIPS_VGG16_CONTENT,
    ),
    KnownFile(
        "lpips",
        "weights-vgg16-lpips.pth",
        LPIPS_VGG16_SHA256,
        "https://github.com/toshas/torch-fidelity/releases/tag/v0.2.0",
        LPIPS_VGG16_CONTENT,
    ),
    KnownFile(
        "alexnet",
        "alexnet-owt-7be5be79.pth",
        "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        TORCHVISION,
    ),
    KnownFile(
        "lpips_alexnet",
        "alex.pth",
        "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
        f"the lpips package, or {LPIPS}",
        "8835a7ebcd8c82e68d699a572fe59a206925972c8a8a8d891cb3e933952a3a3c",
    ),
)
NETWORKS = tuple(dict.fromkeys(file.network for file in KNOWN))


def usual_file(network: str) -> KnownFile:
    """The first one of a network."""
    return next(file for file in KNOWN if file.network == network)


def is_known(network: str, sha256: str) -> bool:
    """Whether the file of that hash is one of the network's."""
    return any(file.network == network and file.sha256 == sha256 for file in KNOWN)


def is_known_content(network: str, content_sha256: str) -> bool:
    """Whether variables of that hash are what one of the network's files becomes."""
    return any(
        file.network == network and file.content_sha256 == content_sha256 for file in KNOWN
    ) and bool(content_sha256)


def is_credible(network: str, source_sha256: str, content_sha256: str) -> bool:
    """Whether variables that were recorded with their hash may come from the known file that the
    record names: it is one of the network's, and where its content is known, it is that."""
    return bool(content_sha256) and any(
        file.network == network
        and file.sha256 == source_sha256
        and file.content_sha256 in ("", content_sha256)
        for file in KNOWN
    )

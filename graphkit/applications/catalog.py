"""The nets of keras.applications: the numbers of each, the files with its published weights, and Keras' submodules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphkit.applications.builders import efficientnet, mobilenet
from graphkit.applications.builders.convnext import convnext
from graphkit.applications.builders.densenet import densenet
from graphkit.applications.builders.inception import inception, inception_resnet
from graphkit.applications.builders.nasnet import nasnet
from graphkit.applications.builders.resnet import resnet, resnet_preactivated
from graphkit.applications.builders.vgg import vgg
from graphkit.applications.builders.xception import xception
from graphkit.applications.pretrained import PublishedFile
from graphkit.applications.records import STANDARD, Family, Net

_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications/"
_OLDER = "https://storage.googleapis.com/keras-applications/"

File = Callable[[dict[str, Any]], PublishedFile]


def _pair(folder: str, name: str, with_top: str, without_top: str, ending: str = "_notop", published: str = "") -> File:
    """Return the choice between two files by `include_top`.

    Args:
        folder: the start of their addresses.
        name: the first part of their names.
        with_top, without_top: their hashes.
        ending: the end of the name of the file without classifier.
        published: the first part of their names at the address, where it is another one.
    """

    def choose(arguments: dict[str, Any]) -> PublishedFile:
        top = arguments["include_top"]
        end = ".h5" if top else f"{ending}.h5"
        there = f"{published}{end.replace('_', '-')}" if published else f"{name}{end}"
        return PublishedFile(name + end, folder + there, with_top if top else without_top)

    return choose


def _kernels(folder: str, name: str, with_top: str, without_top: str) -> File:
    return _pair(f"{_KERAS}{folder}/", f"{name}_weights_tf_dim_ordering_tf_kernels", with_top, without_top)


# ----- ConvNeXt -----

_CONVNEXT = Family(
    "ConvNeXt", convnext, "2201.03545", STANDARD.replace("include_top", "include_top include_preprocessing"),
    channels_last_only=True, one_input=True,
)  # fmt: skip


def _convnext(size: str, depth: int, width: int, with_top: str, without_top: str) -> Net:
    numbers = {"depths": (3, 3, depth, 3), "widths": tuple(width * 2**stage for stage in range(4))}
    name = f"convnext_{size}"
    return Net(_CONVNEXT, 224, name, _pair(f"{_KERAS}convnext/", name, with_top, without_top), numbers)


# ----- DenseNet, ResNet, VGG, Xception, Inception -----

_DENSENET = Family("DenseNet", densenet, "1608.06993", channels_last_only=True)
_RESNET = Family("ResNet", resnet, "1512.03385")
_RESNET_2 = Family("ResNet V2", resnet_preactivated, "1603.05027")
_VGG = Family("VGG", vgg, "1409.1556")
_XCEPTION = Family("Xception", xception, "1610.02357", smallest=71)
_INCEPTION = Family("Inception", inception, "1512.00567", smallest=75)
_INCEPTION_RESNET = Family("Inception-ResNet", inception_resnet, "1602.07261", smallest=75)


def _densenet(layers: int, blocks: tuple[int, ...], with_top: str, without_top: str) -> Net:
    name = f"densenet{layers}"
    return Net(_DENSENET, 224, name, _kernels("densenet", name, with_top, without_top), {"blocks": blocks})


def _resnet(family: Family, name: str, blocks: tuple[int, ...], with_top: str, without_top: str) -> Net:
    return Net(family, 224, name, _kernels("resnet", name, with_top, without_top), {"blocks": blocks})


def _vgg(name: str, convolutions: tuple[int, ...], with_top: str, without_top: str) -> Net:
    return Net(_VGG, 224, name, _kernels(name, name, with_top, without_top), {"convolutions": convolutions})


def _large(family: Family, name: str, with_top: str, without_top: str) -> Net:
    return Net(family, 299, name, _kernels(name, name, with_top, without_top), {})


# ----- EfficientNet -----

_EFFICIENTNET = Family("EfficientNet", efficientnet.efficientnet, "1905.11946")
_EFFICIENTNET_2 = Family(
    "EfficientNet V2", efficientnet.efficientnet_later, "2104.00298", STANDARD.replace(" name", " include_preprocessing name")
)  # fmt: skip


def _efficientnet(
    name: str, width: float, depth: float, size: int, dropout: float, with_top: str, without_top: str
) -> Net:
    file = _pair(_OLDER, f"efficientnet{name}", with_top, without_top)
    numbers = {"width": width, "depth": depth, "dropout": dropout}
    return Net(_EFFICIENTNET, size, f"efficientnet{name}", file, numbers)


def _efficientnet_2(name: str, size: int, numbers: dict[str, Any], with_top: str, without_top: str) -> Net:
    file = _pair(f"{_KERAS}efficientnet_v2/", f"efficientnetv2-{name}", with_top, without_top)
    return Net(_EFFICIENTNET_2, size, f"efficientnetv2-{name}", file, numbers)


def _base(width: float, depth: float) -> dict[str, Any]:
    return {"stages": efficientnet.BASE_STAGES, "width": width, "depth": depth, "normalizes": True}


# ----- MobileNet -----

_MOBILENET = Family(
    "MobileNet", mobilenet.mobilenet, "1704.04861",
    "input_shape alpha depth_multiplier dropout include_top weights input_tensor pooling classes classifier_activation name",
    sizes=(128, 160, 192, 224), alphas=(0.25, 0.5, 0.75, 1.0),
)  # fmt: skip
_MOBILENET_2 = Family(
    "MobileNet V2", mobilenet.mobilenet_inverted, "1801.04381",
    "input_shape alpha include_top weights input_tensor pooling classes classifier_activation name",
    sizes=(96, 128, 160, 192, 224), alphas=(0.35, 0.5, 0.75, 1.0, 1.3, 1.4), reads_tensor=True,
)  # fmt: skip
_MOBILENET_3 = Family(
    "MobileNet V3", mobilenet.mobilenet_searched, "1905.02244",
    "input_shape alpha minimalistic include_top weights input_tensor classes pooling dropout_rate classifier_activation "
    "include_preprocessing name",
    sizes=(224,), alphas=(0.75, 1.0), any_size=True, reads_tensor=True,
)  # fmt: skip

# The hashes of MobileNet V3 by the parts of its name, with and without classifier.
_MOBILENET_3_HASHES = {
    "large_224_0.75": ("765b44a33ad4005b3ac83185abf1d0eb", "40af19a13ebea4e2ee0c676887f69a2e"),
    "large_224_1.0": ("59e551e166be033d707958cf9e29a6a7", "07fb09a5933dd0c8eaafa16978110389"),
    "large_minimalistic_224_1.0": ("675e7b876c45c57e9e63e6d90a36599c", "ec5221f64a2f6d1ef965a614bdae7973"),
    "small_224_0.75": ("cb65d4e5be93758266aa0a7f2c6708b7", "ebdb5cc8e0b497cd13a7c275d475c819"),
    "small_224_1.0": ("8768d4c2e7dee89b9d02b2d03d65d862", "d3e8ec802a04aa4fc771ee12a9a9b836"),
    "small_minimalistic_224_1.0": ("99cd97fb2fcdad2bf028eb838de69e37", "cde8136e733e811080d9fcd8a252f7e4"),
}


def _mobilenet_file(arguments: dict[str, Any]) -> PublishedFile:
    ending = "" if arguments["include_top"] else "_no_top"
    alpha = f"{arguments['alpha']:.2f}"  # 0.25 is written 2_5, and 1.0 is written 1_0
    written = f"{alpha[2]}_{alpha[3]}" if alpha.startswith("0") else "1_0"
    name = f"mobilenet_{written}_{arguments['rows']}_tf{ending}.h5"
    return PublishedFile(name, f"{_KERAS}mobilenet/{name}")


def _mobilenet_2_file(arguments: dict[str, Any]) -> PublishedFile:
    ending = "" if arguments["include_top"] else "_no_top"
    kind = f"{float(arguments['alpha'])}_{arguments['rows']}{ending}"
    name = f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{kind}.h5"
    return PublishedFile(name, f"{_KERAS}mobilenet_v2/{name}")


def _mobilenet_3(size: str, last: int, blocks: tuple[mobilenet.Block, ...]) -> Net:
    def file(arguments: dict[str, Any]) -> PublishedFile:
        minimalistic = "_minimalistic" if arguments["minimalistic"] else ""
        kind = f"{size}{minimalistic}_224_{float(arguments['alpha'])}"
        top = arguments["include_top"]
        name = f"weights_mobilenet_v3_{kind}_float{'' if top else '_no_top_v2'}.h5"
        return PublishedFile(name, f"{_KERAS}mobilenet_v3/{name}", _MOBILENET_3_HASHES[kind][0 if top else 1])

    return Net(_MOBILENET_3, 224, f"MobileNetV3{size.capitalize()}", file, {"blocks": blocks, "last": last})


# ----- NASNet -----

_NASNET = Family(
    "NASNet", nasnet, "1707.07012",
    "input_shape include_top weights input_tensor pooling classes classifier_activation name",
    channels_last_only=True,
)  # fmt: skip


def _nasnet(
    name: str, size: int, blocks: int, stem: int, last: int, skips: bool, with_top: str, without_top: str
) -> Net:
    file = _pair(f"{_KERAS}nasnet/", f"nasnet_{name}", with_top, without_top, "_no_top", f"NASNet-{name}")
    numbers = {"blocks": blocks, "stem": stem, "filters": last // 24, "skips_reduction": skips}
    return Net(_NASNET, size, f"nasnet_{name}", file, numbers, size_without_top=name == "mobile")


NETS: dict[str, Net] = {
    "ConvNeXtTiny": _convnext(
        "tiny", 9, 96,
        "8ae6e78ce2933352b1ef4008e6dd2f17bc40771563877d156bc6426c7cf503ff",
        "d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1",
    ),
    "ConvNeXtSmall": _convnext(
        "small", 27, 96,
        "ce1277d8f1ee5a0ef0e171469089c18f5233860ceaf9b168049cb9263fd7483c",
        "6fc8009faa2f00c1c1dfce59feea9b0745eb260a7dd11bee65c8e20843da6eab",
    ),
    "ConvNeXtBase": _convnext(
        "base", 27, 128,
        "52cbb006d3dadd03f6e095a8ca1aca47aecdd75acb4bc74bce1f5c695d0086e6",
        "40a20c5548a5e9202f69735ecc06c990e6b7c9d2de39f0361e27baeb24cb7c45",
    ),
    "ConvNeXtLarge": _convnext(
        "large", 27, 192,
        "070c5ed9ed289581e477741d3b34beffa920db8cf590899d6d2c67fba2a198a6",
        "96f02b6f0753d4f543261bc9d09bed650f24dd6bc02ddde3066135b63d23a1cd",
    ),
    "ConvNeXtXLarge": _convnext(
        "xlarge", 27, 256,
        "c1f5ccab661354fc3a79a10fa99af82f0fbf10ec65cb894a3ae0815f17a889ee",
        "de3f8a54174130e0cecdc71583354753d557fcf1f4487331558e2a16ba0cfe05",
    ),
    "DenseNet121": _densenet(
        121, (6, 12, 24, 16), "9d60b8095a5708f2dcce2bca79d332c7", "30ee3e1110167f948a6b9946edeeb738"
    ),
    "DenseNet169": _densenet(
        169, (6, 12, 32, 32), "d699b8f76981ab1b30698df4c175e90b", "b8c4d4c20dd625c148057b9ff1c1176b"
    ),
    "DenseNet201": _densenet(
        201, (6, 12, 48, 32), "1ceb130c1ea1b78c3bf6114dbdfd8807", "c13680b51ded0fb44dff2d8f86ac8bb1"
    ),
    "EfficientNetB0": _efficientnet(
        "b0", 1.0, 1.0, 224, 0.2, "902e53a9f72be733fc0bcb005b3ebbac", "50bc09e76180e00e4465e1a485ddc09d"
    ),
    "EfficientNetB1": _efficientnet(
        "b1", 1.0, 1.1, 240, 0.2, "1d254153d4ab51201f1646940f018540", "74c4e6b3e1f6a1eea24c589628592432"
    ),
    "EfficientNetB2": _efficientnet(
        "b2", 1.1, 1.2, 260, 0.3, "b15cce36ff4dcbd00b6dd88e7857a6ad", "111f8e2ac8aa800a7a99e3239f7bfb39"
    ),
    "EfficientNetB3": _efficientnet(
        "b3", 1.2, 1.4, 300, 0.3, "ffd1fdc53d0ce67064dc6a9c7960ede0", "af6d107764bb5b1abb91932881670226"
    ),
    "EfficientNetB4": _efficientnet(
        "b4", 1.4, 1.8, 380, 0.4, "18c95ad55216b8f92d7e70b3a046e2fc", "ebc24e6d6c33eaebbd558eafbeedf1ba"
    ),
    "EfficientNetB5": _efficientnet(
        "b5", 1.6, 2.2, 456, 0.4, "ace28f2a6363774853a83a0b21b9421a", "38879255a25d3c92d5e44e04ae6cec6f"
    ),
    "EfficientNetB6": _efficientnet(
        "b6", 1.8, 2.6, 528, 0.5, "165f6e37dce68623721b423839de8be5", "9ecce42647a20130c1f39a5d4cb75743"
    ),
    "EfficientNetB7": _efficientnet(
        "b7", 2.0, 3.1, 600, 0.5, "8c03f828fec3ef71311cd463b6759d99", "cbcfe4450ddf6f3ad90b1b398090fe4a"
    ),
    "EfficientNetV2B0": _efficientnet_2(
        "b0", 224, _base(1.0, 1.0), "21ecbf6da12460d5c40bb2f29ceb2188", "893217f2bb855e2983157299931e43ff"
    ),
    "EfficientNetV2B1": _efficientnet_2(
        "b1", 240, _base(1.0, 1.1), "069f0534ff22adf035c89e2d9547a9dc", "0e80663031ca32d657f9caa404b6ec37"
    ),
    "EfficientNetV2B2": _efficientnet_2(
        "b2", 260, _base(1.1, 1.2), "424e49f28180edbde1e94797771950a7", "1dfe2e7a5d45b6632553a8961ea609eb"
    ),
    "EfficientNetV2B3": _efficientnet_2(
        "b3", 300, _base(1.2, 1.4), "1f1fc43bd98a6e4fd8fdfd551e02c7a0", "f6abf7b5849ac99a89b50dd3fd532856"
    ),
    "EfficientNetV2S": _efficientnet_2(
        "s", 384, {"stages": efficientnet.SMALL_STAGES}, "e1d88a8495beba45748fedd0cecbe016", "af0682fb74e8c54910f2d4393339c070"
    ),
    "EfficientNetV2M": _efficientnet_2(
        "m", 480, {"stages": efficientnet.MEDIUM_STAGES}, "a3bf6aa3276309f4fc6a34aa114c95cd", "1b8dc055df72dde80d614482840fe342"
    ),
    "EfficientNetV2L": _efficientnet_2(
        "l", 480, {"stages": efficientnet.LARGE_STAGES}, "27e6d408b53c7ebc868fefa357689935", "b0b66b5c863aef5b46e8608fe1711615"
    ),
    "InceptionResNetV2": _large(
        _INCEPTION_RESNET, "inception_resnet_v2", "e693bd0210a403b3192acc6073ad2e96", "d19885ff4a710c122648d3b5c3b684e4"
    ),
    "InceptionV3": _large(
        _INCEPTION, "inception_v3", "9a0d58056eeedaa3f26cb7ebd46da564", "bcbd6486424b2319ff4ef7d526e38f63"
    ),
    "MobileNet": Net(_MOBILENET, 224, None, _mobilenet_file, {}, prefix="mobilenet"),
    "MobileNetV2": Net(_MOBILENET_2, 224, None, _mobilenet_2_file, {}, prefix="mobilenetv2"),
    "MobileNetV3Large": _mobilenet_3("large", 1280, mobilenet.LARGE),
    "MobileNetV3Small": _mobilenet_3("small", 1024, mobilenet.SMALL),
    "NASNetLarge": _nasnet(
        "large", 331, 6, 96, 4032, True, "11577c9a518f0070763c2b964a382f17", "d81d89dc07e6e56530c4e77faddd61b5"
    ),
    "NASNetMobile": _nasnet(
        "mobile", 224, 4, 32, 1056, False, "020fb642bf7360b370c678b08e0adf61", "1ed92395b5b598bdda52abe5c0dbfd63"
    ),
    "ResNet50": _resnet(
        _RESNET, "resnet50", (3, 4, 6, 3), "2cb95161c43110f7111970584f804107", "4d473c1dd8becc155b73f8504c6f6626"
    ),
    "ResNet101": _resnet(
        _RESNET, "resnet101", (3, 4, 23, 3), "f1aeb4b969a6efcfb50fad2f0c20cfc5", "88cf7a10940856eca736dc7b7e228a21"
    ),
    "ResNet152": _resnet(
        _RESNET, "resnet152", (3, 8, 36, 3), "100835be76be38e30d865e96f2aaae62", "ee4c566cf9a93f14d82f913c2dc6dd0c"
    ),
    "ResNet50V2": _resnet(
        _RESNET_2, "resnet50v2", (3, 4, 6, 3), "3ef43a0b657b3be2300d5770ece849e0", "fac2f116257151a9d068a22e544a4917"
    ),
    "ResNet101V2": _resnet(
        _RESNET_2, "resnet101v2", (3, 4, 23, 3), "6343647c601c52e1368623803854d971", "c0ed64b8031c3730f411d2eb4eea35b5"
    ),
    "ResNet152V2": _resnet(
        _RESNET_2, "resnet152v2", (3, 8, 36, 3), "a49b44d1979771252814e80f8ec446f9", "ed17cf2e0169df9d443503ef94b23b33"
    ),
    "VGG16": _vgg(
        "vgg16", (2, 2, 3, 3, 3), "64373286793e3c8b2b4e3219cbf3544b", "6d6bbae143d832006294945121d1f1fc"
    ),
    "VGG19": _vgg(
        "vgg19", (2, 2, 4, 4, 4), "cbe5617147190e668d6c5d5026f83318", "253f8cb515780f3b799900260a226db6"
    ),
    "Xception": _large(
        _XCEPTION, "xception", "0a58e3b7378bc2990ea3b43d5981f1f6", "b0042744bf5b25fce3cb969f33bebb97"
    ),
}  # fmt: skip

# Keras' submodules: the constructors in each, and how its `preprocess_input` changes images (None: not at all, since the nets
# do it themselves).
SUBMODULES: dict[str, tuple[tuple[str, ...], str | None]] = {
    "convnext": (("ConvNeXtBase", "ConvNeXtLarge", "ConvNeXtSmall", "ConvNeXtTiny", "ConvNeXtXLarge"), None),
    "densenet": (("DenseNet121", "DenseNet169", "DenseNet201"), "torch"),
    "efficientnet": (tuple(f"EfficientNetB{i}" for i in range(8)), None),
    "efficientnet_v2": (tuple(f"EfficientNetV2{i}" for i in ("B0", "B1", "B2", "B3", "L", "M", "S")), None),
    "inception_resnet_v2": (("InceptionResNetV2",), "tf"),
    "inception_v3": (("InceptionV3",), "tf"),
    "mobilenet": (("MobileNet",), "tf"),
    "mobilenet_v2": (("MobileNetV2",), "tf"),
    "mobilenet_v3": (("MobileNetV3Large", "MobileNetV3Small"), None),
    "nasnet": (("NASNetLarge", "NASNetMobile"), "tf"),
    "resnet": (("ResNet101", "ResNet152", "ResNet50"), "caffe"),
    "resnet50": (("ResNet50",), "caffe"),
    "resnet_v2": (("ResNet101V2", "ResNet152V2", "ResNet50V2"), "tf"),
    "vgg16": (("VGG16",), "caffe"),
    "vgg19": (("VGG19",), "caffe"),
    "xception": (("Xception",), "tf"),
}

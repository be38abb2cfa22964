"""Which nets of keras.applications torchvision has too."""

SAME_IN_TORCHVISION = {
    "MobileNetV2": "mobilenet_v2",
    "MobileNetV3Small": "mobilenet_v3_small",
    "MobileNetV3Large": "mobilenet_v3_large",
    "ResNet50": "resnet50",
    "ResNet101": "resnet101",
    "ResNet152": "resnet152",
    "VGG16": "vgg16",
    "VGG19": "vgg19",
    "DenseNet121": "densenet121",
    "DenseNet169": "densenet169",
    "DenseNet201": "densenet201",
    "InceptionV3": "inception_v3",
    **{f"EfficientNetB{k}": f"efficientnet_b{k}" for k in range(8)},
    **{f"EfficientNetV2{k}": f"efficientnet_v2_{k.lower()}" for k in "SML"},
    **{f"ConvNeXt{k}": f"convnext_{k.lower()}" for k in ("Tiny", "Small", "Base", "Large")},
}
"""Nets of keras.applications that torchvision has too. Its ResNets stride in the 3 x 3 convolution, which is more work."""

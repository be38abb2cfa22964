"""Features from the middle of a net, and class activation maps.

Every layer of a functional model can be an output of another model. This script cuts ResNet50 and VGG16 at layers named by the user,
reads the features there, finds the most similar pictures by them, and shows which part of a picture speaks for a class.
"""

# backend: jax

import keras
import numpy as np
from keras.applications import imagenet_utils
from keras.applications.resnet50 import ResNet50, preprocess_input
from keras.applications.vgg16 import VGG16

random = np.random.default_rng(1)


def fill(model):
    """Give a net weights from a seeded generator."""
    for weight in model.weights:
        shape, name = tuple(weight.shape), weight.path.split("/")[-1]
        if name == "kernel":
            values = random.normal(0, np.sqrt(1.5 / np.prod(shape[:-1])), shape)
        elif name in ("gamma", "moving_variance"):
            values = random.uniform(0.8, 1.2, shape)
        else:
            values = random.normal(0, 0.1, shape)
        weight.assign(values.astype("float32"))


def picture(row, column, color):
    """Return a gray picture with a coloured square."""
    pixels = np.full((64, 64, 3), 128.0, "float32")
    pixels[row : row + 16, column : column + 16] = color
    return pixels


pictures = np.stack(
    [picture(0, 0, (255, 0, 0)), picture(4, 4, (240, 10, 10)), picture(44, 40, (0, 0, 255)), picture(48, 44, (10, 0, 240))]
)
prepared = preprocess_input(pictures.copy())
print("prepared:", prepared.shape, [round(float(v), 3) for v in prepared[0, 0, 0]])

# Cut a net at layers of its middle.
net = ResNet50(weights=None, include_top=False, input_shape=(64, 64, 3))
fill(net)
names = ["conv2_block1_out", "conv3_block2_out"]
extractor = keras.Model(net.input, {name: net.get_layer(name).output for name in names})
features = extractor.predict(prepared, verbose=0)
for name in names:
    values = features[name]
    print(f"{name}: {values.shape}, mean {values.mean():.3f}, greatest {values.max():.3f}")

# The most similar picture, by the cosine between features.
flat = features["conv3_block2_out"].reshape(len(pictures), -1)
flat = flat - flat.mean(axis=0)
flat /= np.linalg.norm(flat, axis=1, keepdims=True)
similar = flat @ flat.T
np.fill_diagonal(similar, -1)
print("most similar:", similar.argmax(axis=1).tolist())

# A class activation map: the weights of the classifier, applied to the features before they are averaged.
small = VGG16(weights=None, include_top=False, input_shape=(64, 64, 3))
fill(small)
cut = keras.Model(small.input, small.get_layer("block3_pool").output, name="cut")
pooled = keras.layers.GlobalAveragePooling2D()(cut.output)
scores = keras.layers.Dense(5, use_bias=False, name="scores")(pooled)
classifier = keras.Model(cut.input, [scores, cut.output])
fill(classifier.get_layer("scores"))
images = imagenet_utils.preprocess_input(pictures.copy(), mode="torch")
found, maps = classifier.predict(images, verbose=0)
print("scores:", [round(float(v), 3) for v in found[0]])
kernel = classifier.get_layer("scores").get_weights()[0]
activation = np.einsum("hwc,ck->hwk", maps[0], kernel)
print("map of a class:", activation[..., 0].shape, f"mean {activation[..., 0].mean():.4f}, its score {found[0][0]:.4f}")
for number in (0, 2):  # the squares of these pictures are in opposite corners
    one = np.einsum("hwc,ck->hwk", maps[number], kernel)[..., 0]
    row, column = np.unravel_index(np.abs(one - np.median(one)).argmax(), one.shape)
    print(f"picture {number}: the map differs most from its median in the {'upper' if row < 4 else 'lower'}",
          "left" if column < 4 else "right")

# The layers before the cut are those of the net: they share their weights.
print("shared:", cut.get_layer("block1_conv1") is small.get_layer("block1_conv1"), len(cut.layers), len(small.layers))

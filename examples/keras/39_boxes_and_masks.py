"""Drawing bounding boxes and segmentation masks.

A detector and a segmentation net are judged by looking at their results. `keras.visualization` draws boxes and masks on a batch of
images. This script makes images of a bright square, computes the true box and the true mask of each, and compares them with shifted
ones, as a net would predict them: by their overlap and in drawings. Keras draws boxes with OpenCV (`pip install opencv-python`);
graphkit needs it only for labels.
"""
# backend: jax

import keras
import numpy as np
from keras import visualization

rng = np.random.default_rng(3)
size, count = 48, 4

# A bright square at a random place of a dark image.
images = rng.integers(20, 60, (count, size, size, 3)).astype("uint8")
corners = rng.integers(6, 20, (count, 2))
masks = np.zeros((count, size, size, 1), "int32")
boxes = np.zeros((count, 1, 4), "float32")
for i, (left, top) in enumerate(corners):
    images[i, top : top + 18, left : left + 22] += 150
    masks[i, top : top + 18, left : left + 22] = 1
    boxes[i, 0] = (left, top, left + 22, top + 18)
print("mean pixel of each image:", images.mean((1, 2, 3)).round(2))

# A prediction is off by some pixels.
predicted = boxes + rng.normal(0, 2, boxes.shape).astype("float32")
overlap = [keras.utils.bounding_boxes.compute_iou(t, p, "xyxy") for t, p in zip(boxes, predicted, strict=True)]
print("overlap:", np.array([float(o[0, 0]) for o in overlap]).round(3))

# Boxes can have any of Keras' formats. Label -1 marks boxes that fill up a batch and are not drawn.
relative = keras.utils.bounding_boxes.convert_format(predicted, "xyxy", "rel_xywh", height=size, width=size)
labels = np.array([[0], [0], [0], [-1]])
drawn = visualization.draw_bounding_boxes(
    images, {"boxes": relative, "labels": labels}, "rel_xywh", color=(255, 0, 0), line_thickness=1
)
print("drawn:", drawn.shape, drawn.dtype)
print("red pixels in each image:", (drawn == (255, 0, 0)).all(-1).sum((1, 2)))

# Two classes: the background, which is left as it is, and the square.
colors = {0: (0, 0, 0), 1: (0, 200, 100)}
overlaid = visualization.draw_segmentation_masks(
    images, masks, num_classes=2, color_mapping=colors, alpha=0.5, ignore_index=0
)
print("mean of each channel:", overlaid.mean((0, 1, 2)).round(2))
print("background unchanged:", bool((overlaid == images)[masks[..., 0] == 0].all()))

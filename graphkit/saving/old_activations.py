"""Activations whose formula changed under the same name: Keras 1 and 2 files mean the old one."""

from graphkit.activations import hard_sigmoid_keras2 as hard_sigmoid_keras2

"""The public ops (`keras.ops`), which accept arrays, tracers and symbolic tensors alike."""

from graphkit.ops import image, numpy, random, recurrent, resizing, strings
from graphkit.ops.arithmetic import *
from graphkit.ops.attention import *
from graphkit.ops.batch_norm import *
from graphkit.ops.bitwise import *
from graphkit.ops.color import *
from graphkit.ops.complex import *
from graphkit.ops.control import *
from graphkit.ops.convolution import *
from graphkit.ops.counting import *
from graphkit.ops.creation import *
from graphkit.ops.ctc import *
from graphkit.ops.custom_gradient import *
from graphkit.ops.elementwise import *
from graphkit.ops.fourier import *
from graphkit.ops.indexing import *
from graphkit.ops.linalg import *
from graphkit.ops.linear import *
from graphkit.ops.missing import *
from graphkit.ops.nn import *
from graphkit.ops.normalization import *
from graphkit.ops.numeric import *
from graphkit.ops.patches import *
from graphkit.ops.pooling import *
from graphkit.ops.probabilities import *
from graphkit.ops.recurrent import *
from graphkit.ops.reduction import *
from graphkit.ops.scattering import *
from graphkit.ops.shaping import *
from graphkit.ops.special import *
from graphkit.ops.statistics import *

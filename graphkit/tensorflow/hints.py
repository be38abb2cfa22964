"""What is not provided of TensorFlow, and what to use instead. The longest name that matches decides."""

from __future__ import annotations

_SPARSE = "tensors are dense here; use dense ones, for example keras.ops.one_hot, or pad rows of different length."
_CHECKPOINTS = (
    "save a model with model.save('model.keras') or model.save_weights('model.weights.h5'), and train on from there."
)
_RECORDS = (
    "read the data with NumPy, or with a Python generator: tf.data.Dataset.from_generator, keras.utils.PyDataset."
)
_GRAPHS = "it belongs to TensorFlow 1, where graphs are built first and run in sessions; call the functions directly."
_SAMPLED = "sampled losses are not supported; use keras.losses.SparseCategoricalCrossentropy over all classes."
_OPERATORS = "operators of structured matrices are not supported; build the matrix and use tf.linalg.matmul, solve, ..."
_LITE = "write ONNX, which runs on phones and in browsers too: model.export('model.onnx')."
_DISTRIBUTE = (
    "training runs on the CPUs of one machine; tf.distribute.MirroredStrategy() is accepted and has one replica."
)
_SUMMARY = "use keras.callbacks.TensorBoard in model.fit, or keras.callbacks.CSVLogger."
_FEATURES = "use keras.utils.FeatureSpace, or preprocessing layers: keras.layers.Normalization, StringLookup, CategoryEncoding, ..."
_IO = "files are read with tf.io.read_file, pictures with tf.io.decode_png and tf.io.decode_jpeg, text with Python's open()."

_LOW_LEVEL = "it is a part of TensorFlow's own machinery, which has no counterpart here."
_QUANTIZED = "there are no quantized dtypes; use int8 arrays, or model.quantize('int8')."
_OVER_SEVERAL = "transforms over several axes: apply tf.signal.fft or tf.signal.fft2d to each axis after tf.transpose."

HINTS: dict[str, str] = {
    **dict.fromkeys(
        (
            "AggregationMethod", "CriticalSection", "DeviceSpec", "NoneTensorSpec", "Operation", "RegisterGradient",
            "TensorArraySpec", "check_pinned", "fingerprint", "import_graph_def", "load_library", "load_op_library",
            "make_tensor_proto", "no_gradient", "nondifferentiable_batch_function", "ragged_fill_empty_rows",
            "ragged_fill_empty_rows_grad", "register_tensor_conversion_function", "resource", "type_spec_from_value", "variant",
            "dtypes.resource", "dtypes.variant", "random_index_shuffle", "nn.with_space_to_batch", "random.Algorithm",
            "random.create_rng_state", "conv2d_backprop_filter_v2", "conv2d_backprop_input_v2",
            "nn.depthwise_conv2d_backprop_filter", "nn.depthwise_conv2d_backprop_input", "nn.ctc_unique_labels",
        ),
        _LOW_LEVEL,
    ),
    **dict.fromkeys(
        [f"{place}{name}" for place in ("", "dtypes.") for name in ("qint8", "qint16", "qint32", "quint8", "quint16")]
        + ["dtypes.QUANTIZED_DTYPES"],
        _QUANTIZED,
    ),
    **dict.fromkeys(("fftnd", "ifftnd", "rfftnd", "irfftnd"), _OVER_SEVERAL),
    **dict.fromkeys(
        (
            "nn.fixed_unigram_candidate_sampler", "nn.learned_unigram_candidate_sampler", "nn.compute_accidental_hits",
            "random.all_candidate_sampler", "random.fixed_unigram_candidate_sampler",
            "random.learned_unigram_candidate_sampler",
        ),
        _SAMPLED,
    ),
    "approx_top_k": "use tf.math.top_k.", "nn.approx_max_k": "use tf.math.top_k.", "nn.approx_min_k": "use tf.math.top_k.",
    "conv": "use tf.nn.convolution.", "nn.atrous_conv2d_transpose": "use tf.nn.conv2d_transpose with dilations.",
    "extract_volume_patches": "use keras.ops.image.extract_patches_3d.",
    "matrix_square_root": "use tf.linalg.eigh: v diag(sqrt(e)) v^T for a symmetric matrix.",
    "nn.batch_norm_with_global_normalization": "use tf.nn.batch_normalization.",
    "nn.isotonic_regression": "scikit-learn has it: sklearn.isotonic.IsotonicRegression.",
    "linalg.lu_reconstruct": "multiply the triangles: tf.linalg.band_part and tf.matmul.",
    "random.stateless_parameterized_truncated_normal": "use tf.random.stateless_truncated_normal.",
    "Graph": _GRAPHS, "Session": _GRAPHS, "placeholder": _GRAPHS, "get_variable": _GRAPHS, "gradients": "use tf.GradientTape.",
    "hessians": "use two nested tf.GradientTape blocks.",
    "compat.v1": _GRAPHS,
    "compat.v2": "the names of TensorFlow 2 are in tensorflow itself.",
    "contrib": "tf.contrib belonged to TensorFlow 1; many of its parts are in keras.layers and keras.optimizers.",
    "IndexedSlices": _SPARSE, "IndexedSlicesSpec": _SPARSE, "SparseTensor": _SPARSE, "SparseTensorSpec": _SPARSE,
    "sparse": _SPARSE, "sets": _SPARSE,
    "ragged": _SPARSE, "RaggedTensorSpec": _SPARSE, "edit_distance": _SPARSE,

    "TypeSpec": "only tf.TensorSpec is provided.", "OptionalSpec": "only tf.TensorSpec is provided.",
    "data": "tf.data.Dataset and tf.data.AUTOTUNE are provided. " + _RECORDS.capitalize(),
    "data.TFRecordDataset": "files of TFRecords are not read: " + _RECORDS,
    "data.FixedLengthRecordDataset": _RECORDS,
    "data.experimental.make_csv_dataset": "read the file with pandas or the csv module, and use tf.data.Dataset.from_tensor_slices.",
    "data.experimental.service": _DISTRIBUTE,
    "distribute": _DISTRIBUTE, "tpu": _DISTRIBUTE, "dtensor": _DISTRIBUTE,
    "debugging": "the tf.debugging.assert_* functions are provided; see also keras.config.",
    "python": "tensorflow.python holds TensorFlow's own machinery; use the public names of tensorflow and keras.",
    "estimator": "use keras.Model with compile, fit and evaluate.",
    "experimental.numpy": "its functions are those of keras.ops, under NumPy's names.",
    "experimental": "this part of TensorFlow has no counterpart here.",
    "feature_column": _FEATURES,
    "image.adjust_jpeg_quality": "write and read the picture again: tf.io.encode_jpeg, tf.io.decode_jpeg.",
    "image.random_jpeg_quality": "write and read the picture again: tf.io.encode_jpeg, tf.io.decode_jpeg.",
    "image.stateless_random_jpeg_quality": "write and read the picture again: tf.io.encode_jpeg, tf.io.decode_jpeg.",
    "image.ssim_multiscale": "use tf.image.ssim on the image and on tf.nn.avg_pool2d of it.",
    "image.sample_distorted_bounding_box": "draw the box with tf.random.uniform, and cut it out with tf.image.crop_to_bounding_box.",
    "image": "keras.layers has layers for augmentation: RandomCrop, RandomRotation, RandomZoom, RandomTranslation, ...",
    "io": _IO,
    "io.gfile": "use Python's os and shutil: os.remove, os.replace, shutil.rmtree.",
    "io.TFRecordWriter": "write arrays with numpy.savez, and read them with numpy.load.",
    "io.TFRecordOptions": "write arrays with numpy.savez, and read them with numpy.load.",
    "io.parse_example": _RECORDS, "io.parse_single_example": _RECORDS, "io.FixedLenFeature": _RECORDS, "io.VarLenFeature": _RECORDS,
    "io.parse_tensor": "use numpy.load.", "io.serialize_tensor": "use numpy.save.",
    "linalg.LinearOperator": _OPERATORS,
    "linalg.sqrtm": "use tf.linalg.eigh: v diag(sqrt(e)) v^T for a symmetric matrix.",
    "linalg.logm": "use tf.linalg.eigh: v diag(log(e)) v^T for a symmetric matrix.",
    "linalg.tridiagonal_solve": "build the matrix with tf.linalg.diag(k=...) and use tf.linalg.solve.",
    "linalg.tridiagonal_matmul": "build the matrix with tf.linalg.diag(k=...) and use tf.linalg.matmul.",
    "linalg.banded_triangular_solve": "build the matrix with tf.linalg.diag(k=...) and use tf.linalg.triangular_solve.",
    "linalg.eigh_tridiagonal": "build the matrix with tf.linalg.diag(k=...) and use tf.linalg.eigh.",
    "linalg.lu_solve": "use tf.linalg.solve.", "linalg.lu_matrix_inverse": "use tf.linalg.inv.",
    "lite": _LITE, "mlir": _LITE, "xla": "functions are compiled by graphkit's own engine; use tf.function.",
    "lookup": "use keras.layers.StringLookup or keras.layers.IntegerLookup.",
    "math.betainc": "SciPy has it: scipy.special.betainc, on arrays.", "math.igamma": "SciPy has it: scipy.special.gammainc, on arrays.",
    "math.igammac": "SciPy has it: scipy.special.gammaincc, on arrays.", "math.zeta": "SciPy has it: scipy.special.zeta, on arrays.",
    "math.polygamma": "SciPy has it: scipy.special.polygamma, on arrays; tf.math.digamma is provided.",
    "math.bessel_i1": "SciPy has it: scipy.special.i1, on arrays.", "math.bessel_i1e": "SciPy has it: scipy.special.i1e, on arrays.",
    "math.special": "SciPy has these functions: scipy.special, on arrays.",
    "math.sobol_sample": "use scipy.stats.qmc.Sobol.", "math.approx_max_k": "use tf.math.top_k.", "math.approx_min_k": "use tf.math.top_k.",
    "nn.nce_loss": _SAMPLED, "nn.sampled_softmax_loss": _SAMPLED, "nn.all_candidate_sampler": _SAMPLED,
    "nn.embedding_lookup_sparse": _SPARSE, "nn.safe_embedding_lookup_sparse": _SPARSE,
    "nn.ctc_greedy_decoder": "use keras.ops.ctc_decode(strategy='greedy').",
    "nn.ctc_beam_search_decoder": "use keras.ops.ctc_decode(strategy='beam_search').",
    "nn.RNNCell": "use keras.layers.LSTMCell and keras.layers.RNN.",
    "nn.max_pool_with_argmax": "use tf.nn.max_pool2d; positions of the maxima: tf.image.extract_patches and tf.argmax.",

    "nn.fractional_max_pool": "use keras.layers.AdaptiveMaxPooling2D.",
    "nn.fractional_avg_pool": "use keras.layers.AdaptiveAveragePooling2D.",
    "nn.dilation2d": "use tf.image.extract_patches and tf.reduce_max.", "nn.erosion2d": "use tf.image.extract_patches and tf.reduce_min.",
    "profiler": "use keras.callbacks.TensorBoard, or Python's cProfile.",
    "quantization": "use model.quantize('int8').",
    "queue": _GRAPHS, "raw_ops": "use the public functions of tf, tf.math, tf.nn, ...",
    "saved_model": "use model.export('model.onnx') for a service, or model.save('model.keras'); graphkit.load reads SavedModels' weights.",
    "signal.mdct": "use tf.signal.stft.", "signal.inverse_mdct": "use tf.signal.inverse_stft.",
    "signal": "keras.ops has fft, fft2, ifft2, rfft, irfft, stft and istft.",
    "strings": "decode the strings and use Python: [s.decode() for s in tensor.numpy()].",
    "strings.to_hash_bucket": "use keras.layers.Hashing.",
    "summary": _SUMMARY,
    "train": _CHECKPOINTS,
    "train.Example": _RECORDS, "train.Feature": _RECORDS, "train.Features": _RECORDS,
    "train.ExponentialMovingAverage": "pass use_ema=True to a Keras optimizer.",
    "random.uniform_candidate_sampler": _SAMPLED, "random.log_uniform_candidate_sampler": _SAMPLED,
}  # fmt: skip
"""The key is a name without `tf.`, or the first parts of one."""

PACKAGES: dict[str, str] = {
    "tensorflow_probability": "keras.random draws from distributions; losses.KLDivergence and ops compute with them.",
    "tensorflow_datasets": "load arrays with keras.datasets, numpy.load, or keras.utils.image_dataset_from_directory.",
    "tensorflow_hub": "open a saved model with keras.models.load_model, or build a net of keras.applications.",
    "tensorflow_text": "use keras.layers.TextVectorization.",
    "keras_cv": "keras.layers has layers for augmentation, keras.applications the usual nets.",
    "keras_preprocessing": "its functions are in keras.utils and keras.preprocessing.",
    "keras_hub": "open a saved model with keras.models.load_model, or build a net of keras.applications.",
    "keras_nlp": "keras.layers has MultiHeadAttention, TextVectorization, Embedding and the others to build such nets from.",
    "keras_tuner": "try settings in a loop: build, fit and evaluate a model for each.",
    "tensorflow_addons": "most of its parts are in Keras now: keras.layers, keras.losses, keras.optimizers.",
}


def hint_for(name: str) -> str:
    """Return what to use instead of a missing name (without `tf.`), or an empty string."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        found = HINTS.get(".".join(parts[:count]))
        if found is not None:
            return found
    stem = next((key for key in sorted(HINTS, key=len, reverse=True) if "." in key and name.startswith(key)), None)
    return HINTS[stem] if stem is not None else ""

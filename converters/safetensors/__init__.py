"""`.safetensors` files of weights."""

"""What every test runs under: no silent broadcasting between ranks, no silent mixing of dtypes."""

import jax

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

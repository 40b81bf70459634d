"""What a release of the compiler is known to have got wrong: none we allow may (docs/decisions/compiler.md)."""

import jax
import jax.numpy as jnp
import numpy as np


def test_a_sum_then_a_product_with_ones_is_right():
    x = np.random.default_rng(0).normal(size=(64, 4, 64)).astype(np.float32)
    got = jax.jit(lambda x: x.sum(1) @ jnp.ones((64, 10), x.dtype))(x)
    np.testing.assert_allclose(got, x.sum(1) @ np.ones((64, 10)), rtol=1e-4, atol=1e-4)


def test_many_small_products_then_a_sum_are_right():
    rows = np.zeros((32_769, 3), np.float32)
    rows[:, 0] = np.arange(len(rows))
    turn = jnp.eye(3)
    got = jax.jit(jax.vmap(lambda row: ((turn @ row) ** 2).sum()))(rows)
    np.testing.assert_allclose(got, rows[:, 0].astype(np.float64) ** 2, rtol=1e-6)

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pellucid.errors import SettingError
from pellucid.layers import ChannelDropout, Dense, Dropout, PlainDropout, Sequential

KEY = jax.random.key(0)
N = 200_000


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_the_mask_over_the_share_kept_is_one_on_average(p):
    mask = Dropout(p).forward(jnp.ones(N), key=KEY)[0]
    deviation = np.sqrt(p / (1 - p) / N)
    assert abs(mask.mean() - 1) < 5 * deviation
    np.testing.assert_allclose(np.unique(mask), [0, 1 / (1 - p)], rtol=1e-6)
    assert abs((mask == 0).mean() - p) < 5 * np.sqrt(p * (1 - p) / N)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_without_rescaling_the_tested_output_is_too_large_by_one_over_the_share_kept(p):
    """The same units are left out; only the scale differs."""
    x = jnp.ones((1, N))
    read = Dense(jnp.full((N, 1), 1 / N), jnp.zeros(1))
    for drop, ratio in ((Dropout(p), 1), (PlainDropout(p), 1 / (1 - p))):
        net = Sequential([drop, read])
        np.testing.assert_allclose(net(x) / net.forward(x, key=KEY)[0], ratio, rtol=5 * np.sqrt(p / (1 - p) / N))
    same = PlainDropout(p).forward(x, key=KEY)[0] / (1 - p)
    np.testing.assert_allclose(Dropout(p).forward(x, key=KEY)[0], same, rtol=1e-6)


@pytest.mark.parametrize("between", [(9,), (5, 4), (2, 3, 4)], ids=["time", "picture", "volume"])
def test_a_channel_is_left_out_at_all_its_places_and_examples_differ(between):
    x = jnp.ones((40, *between, 50))
    y, saved = ChannelDropout(0.3).forward(x, key=KEY)
    mask = np.asarray(y).reshape(40, -1, 50)
    np.testing.assert_array_equal(mask, np.broadcast_to(mask[:, :1], mask.shape))
    assert len({row.tobytes() for row in mask[:, 0]}) == 40
    np.testing.assert_allclose(np.unique(mask), [0, 1 / 0.7], rtol=1e-6)
    assert abs((mask[:, 0] == 0).mean() - 0.3) < 5 * np.sqrt(0.3 * 0.7 / 2000)
    assert saved.size == 2000  # one number for each channel, not for each place
    np.testing.assert_array_equal(ChannelDropout(0.3).backward(saved, x)[0], y)


@pytest.mark.parametrize("kind", [Dropout, PlainDropout])
def test_blame_reaches_only_the_units_that_spoke(kind):
    x = jnp.ones((3, 40))
    y, saved = kind(0.5).forward(x, key=KEY)
    dx, _ = kind(0.5).backward(saved, x)
    np.testing.assert_array_equal(dx, y)
    assert 0 < (y == 0).sum() < y.size


@pytest.mark.parametrize("kind", [Dropout, ChannelDropout, PlainDropout])
def test_no_share_and_no_key_leave_the_input_as_it_is(kind):
    x = jnp.arange(6.0).reshape(1, 2, 3)
    assert kind(0.0).forward(x, key=KEY)[0] is x
    assert kind(0.5)(x) is x


@pytest.mark.parametrize("kind", [Dropout, ChannelDropout, PlainDropout])
@pytest.mark.parametrize("p", [-0.1, 1.0, 1.5, float("nan")])
def test_a_share_that_cannot_be_is_refused(kind, p):
    with pytest.raises(SettingError, match=f"0 ≤ p < 1, got p={p}"):
        kind(p)

"""The doctor beside training loops of PyTorch, as people write them."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

import pellucid as pl
from pellucid.errors import InteropError, SettingError
from torch_cases import MODULES, F, module_of

ROWS = 64


def rows():
    torch.manual_seed(0)
    x = torch.randn(ROWS, 4)
    return x, x.sum(1, keepdim=True)


def net(*sizes, act=nn.ReLU):
    torch.manual_seed(1)
    layers = [layer for n_in, n_out in pairwise(sizes) for layer in (nn.Linear(n_in, n_out), act())]
    return nn.Sequential(*layers[:-1])


def trained(module, x, y, epochs, rate=0.01, given=True, held=None, stepping=True, learning=None, **settings):
    optimizer = torch.optim.SGD((learning or module).parameters(), lr=rate)
    options = {"target": y, "loss": F.mse_loss} if given else {}
    watch = pl.watch_torch(module, x if given else None, optimizer=optimizer, **options, **settings)
    for epoch in range(epochs):
        for i in range(0, len(x), 16):
            optimizer.zero_grad()
            loss = F.mse_loss(module(x[i : i + 16]), y[i : i + 16])
            loss.backward()
            watch.step(loss)
            if stepping:
                optimizer.step()
        watch.epoch(None if held is None else held[epoch])
    return watch


def said(watch):
    return [(finding.code, finding.where) for finding in watch.findings]


def test_a_healthy_loop_is_left_in_peace_and_its_epochs_are_kept():
    watch = trained(net(4, 16, 1), *rows(), epochs=12)
    assert said(watch) == []
    assert watch.problem is None
    losses = [epoch.loss for epoch in watch.history]
    assert losses == sorted(losses, reverse=True)
    seen = watch.history[-1].watch
    assert list(seen) == ["0", "1", "2"]
    assert seen["0"].gradient_ratio > 0
    assert seen["1"].gradient_ratio is None
    assert 0 < seen["1"].zero < 1
    assert watch.history[0].learning_rate == 0.01


def test_what_the_probe_sees_is_what_pytorch_computes():
    module, x, y = net(4, 8, 1, act=nn.Sigmoid), *rows()
    with torch.no_grad():
        module[0].weight.mul_(20)
    watch = pl.watch_torch(module, x, target=y, loss=F.mse_loss)
    seen = watch.probe.look()
    hidden = module[0](x)
    hidden.retain_grad()
    F.mse_loss(module[2](torch.sigmoid(hidden)), y).backward()
    blame, hidden = hidden.grad, hidden.detach()
    assert seen["0"].mean == pytest.approx(float(hidden.mean()), rel=1e-5)
    assert seen["0"].variance == pytest.approx(float(hidden.var(unbiased=False)), rel=1e-5)
    assert seen["0"].blame_variance == pytest.approx(float(blame.square().mean()) * ROWS**2, rel=1e-4)
    bent = torch.sigmoid(hidden)
    slope = bent * (1 - bent)
    assert seen["1"].saturated == pytest.approx(float((slope < 0.0025).float().mean()))
    assert all(p.grad is not None for p in module[2].parameters())
    before = module[0].weight.grad.clone()
    watch.probe.look()
    assert torch.equal(module[0].weight.grad, before)  # it adds nothing to the loop's own gradients


def test_dead_units_are_found_by_the_name_of_their_layer():
    module = nn.Sequential(net(4, 16, 1))
    with torch.no_grad():
        module[0][0].bias -= 50
    watch = trained(module, *rows(), epochs=3)
    assert ("DEAD_RELU", "0.1") in said(watch)


def test_blame_that_vanishes_and_saturated_units_are_found():
    module = net(*[4] * 14, 1, act=nn.Sigmoid)
    watch = trained(module, *rows(), epochs=2)
    assert ("VANISH", "0") in said(watch)
    sharp = net(4, 8, 8, 1, act=nn.Tanh)
    with torch.no_grad():
        sharp[0].weight.mul_(100)
    assert ("HID_ACT_SAT", "1") in said(trained(sharp, *rows(), epochs=2))


def test_without_an_example_the_loss_alone_is_read():
    x, y = rows()
    held = [*np.geomspace(1, 0.5, 4), *np.linspace(0.6, 2, 14)]
    watch = trained(net(4, 16, 1), x, y, epochs=18, given=False, held=held)
    assert said(watch) == [("EPOCHS_HIGH", "training")]
    assert watch.history[-1].watch == {}


def test_a_direction_stands_for_the_loss_where_none_is_given():
    module, (x, _) = net(*[4] * 14, 1, act=nn.Sigmoid), rows()
    watch = pl.watch_torch(module, x)
    seen = list(watch.probe.look().values())
    assert seen[0].blame_variance < 1e-12 * seen[-1].blame_variance


def test_numbers_that_stop_being_finite_are_located():
    watch = trained(net(4, 16, 1), *rows(), epochs=6, rate=5.0)
    assert watch.problem is not None
    assert (watch.problem.pass_, watch.problem.epoch) == ("loss", 1)  # the square is infinite before the weights are
    module, (x, _) = net(4, 16, 1), rows()
    with torch.no_grad():
        module[0].weight.fill_(1e38)
    watch = pl.watch_torch(module, x)
    watch.step(torch.tensor(float("nan")))
    assert (watch.problem.path, watch.problem.pass_) == ("0", "forward")
    with torch.no_grad():
        module[2].bias.fill_(float("inf"))
    watch = pl.watch_torch(module)
    watch.step(float("inf"))
    assert (watch.problem.path, watch.problem.pass_) == ("2.bias", "step")


def test_a_loop_that_is_written_wrongly_is_told():
    x, y = rows()
    forgotten = trained(net(4, 16, 1), x, y, epochs=2, stepping=False)
    assert ("API", "the loop") in said(forgotten)
    assert "optimizer.step()" in forgotten.findings[0].cure
    module = net(4, 16, 1)
    partly = trained(module, x, y, epochs=1, learning=module[2])
    assert said(partly) == [("API", "0.bias, 0.weight")]
    module = net(4, 16, 1)
    module.register_parameter("unused", nn.Parameter(torch.ones(1)))
    assert said(trained(module, x, y, epochs=1)) == [("API", "unused")]
    module = nn.Sequential(net(4, 16, 1), nn.Dropout(0.1)).eval()
    assert said(trained(module, x, y, epochs=2)) == [("BN_MODE", "Sequential")]


def test_gradients_are_missed_where_they_were_set_to_zero_before():
    (x, y), module = rows(), net(4, 16, 1)
    optimizer, watch = torch.optim.SGD(module.parameters(), lr=0.01), pl.watch_torch(module)
    loss = F.mse_loss(module(x), y)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    watch.step(loss)
    assert [finding.evidence for finding in watch.epoch()] == ["no parameter had a gradient at watch.step"]


@pytest.mark.parametrize("name", ["mlp", "resnet", "lstm tagger", "transformer", "a view written to"])
def test_every_kind_of_module_can_be_looked_into(name):
    module = module_of(name, torch.float32)
    seen = pl.watch_torch(module, MODULES[name][1]).probe.look()
    homes = {key.rpartition(".")[0] for key, p in module.named_parameters() if "." in key}
    assert homes <= set(seen)
    assert all(np.isfinite(look.variance) for look in seen.values())


def test_what_is_given_wrongly_is_said():
    x, y = rows()
    with pytest.raises(InteropError, match=r"watches a torch\.nn\.Module; got a str"):
        pl.watch_torch("net")
    with pytest.raises(SettingError, match="every is a number of steps"):
        pl.watch_torch(net(4, 1), every=0)
    with pytest.raises(SettingError, match="target and loss go together"):
        pl.watch_torch(net(4, 1), x, target=y)
    with pytest.raises(SettingError, match=r"watch\.step\(loss\) comes behind"):
        pl.watch_torch(net(4, 1)).epoch()

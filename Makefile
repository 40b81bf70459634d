# Each target first makes .venv with the locked versions; where that is done, it goes straight to work.
.PHONY: demo test lint docs bench lock clean

demo: .venv/run.stamp
	scripts/demo

test: .venv/dev.stamp
	scripts/test

lint: .venv/dev.stamp
	scripts/lint

docs: .venv/dev.stamp
	.venv/bin/mkdocs build --strict

bench: .venv/dev.stamp
	.venv/bin/python benchmarks/train.py

lock: .venv/dev.stamp
	scripts/lock

clean:
	rm -rf .venv build dist site demo

.venv/run.stamp: pyproject.toml requirements.lock scripts/setup
	scripts/setup
	touch $@

.venv/dev.stamp: pyproject.toml requirements.lock scripts/setup
	scripts/setup test,dev,docs
	touch $@

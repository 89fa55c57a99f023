# Short names for what a developer does often; the work is done by scripts/ and benchmarks/.
PYTHON ?= .venv/bin/python

.PHONY: test screenshots gui-start lv2-demo

test: ## every check, as in continuous integration
	sh scripts/test.sh

screenshots: ## docs/img/*.png, from the app as it is
	$(PYTHON) -m scripts.screenshots

gui-start: ## how long the app takes to open
	$(PYTHON) -m benchmarks.gui_start

lv2-demo: ## a file through the bundled model on a track of Ardour, without a screen
	sh scripts/lv2_demo.sh

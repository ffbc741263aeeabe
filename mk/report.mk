# The page of `pfswrap report` in a browser.

.PHONY: check-report
##@ Long tests
## look at the page of `pfswrap report` with Chromium and axe-core; pictures go to build/report/
check-report:
	@scripts/install-deps build report
	@$(MAKE) --no-print-directory $(PARALLEL) all
	@tests/run tests/report/check_page.py

import evidence


def pytest_terminal_summary(terminalreporter, config):
    if config.getoption("capture") == "no" and evidence.SCORES:
        terminalreporter.section("oracles against simulation")
        for line in evidence.table():
            terminalreporter.write_line(line)

"""CPython's tests of sockets, TLS, event loops, protocols and processes, as Debian packages them.

They belong to Debian's python3 of the same version, so nothing is built.
"""

import re
import shutil
import xml.etree.ElementTree
from pathlib import Path

import runs

SOURCE = None
PYTHON = "/usr/bin/python3"
TESTS = Path("/usr/lib/python3.11/test")
MODULES = """test_asyncore test_asynchat test_selectors test_select test_poll test_epoll test_socket
test_socketserver test_httplib test_httpservers test_ftplib test_smtplib test_poplib test_imaplib test_nntplib
test_telnetlib test_urllib test_urllib2 test_urllib2_localnet test_xmlrpc test_docxmlrpc test_wsgiref test_smtpd
test_subprocess test_robotparser test_logging test_fork1 test_os test_ssl test_signal test_eintr test_support
test_multiprocessing_fork test_multiprocessing_forkserver test_multiprocessing_spawn
test_multiprocessing_main_handling""".split()
MODULES += [f"test_asyncio.{file.stem}" for file in sorted(TESTS.glob("test_asyncio/test_*.py"))]  # one takes too long
LEFT_OUT = ("ThreadedVSOCKSocketStreamTest",)  # hangs where /dev/vsock exists without a hypervisor, also bare
MODULE_TIMEOUT = 900  # seconds for one module
WRAPPED, SEALED = ("forced", "sealed"), ("sealed",)
KNOWN = (
    (WRAPPED, r".*test_ssl\..*\.(test_protocol_tlsv1_2|test_pha_not_tls13|test_msg_callback_tls12|test_wrong_cert_tls12)",
     "needs TLS 1.2"),
    (WRAPPED, r".*test_ssl\..*\.(test_no_shared_ciphers|test_session|test_session_handling)", "needs TLS 1.2, or its sessions"),
    (WRAPPED, r".*test_ssl\..*\.(test_dh_params|test_default_ecdh_curve)", "needs finite-field DH, or a cipher of TLS 1.2"),
    (WRAPPED, r".*test_ssl\..*\.test_keylog_filename", "pfswrap writes no key log"),
    (WRAPPED, r".*test_subprocess\..*\.(test_pass_fds_redirected|test_close_fds_when_max_fd_is_lowered)",
     "a child lists its descriptors and finds one more: the audit log's"),
    (SEALED, r".*test_asyncore\..*\.test_handle_expt|.*test_ftplib\..*\.test_abort", "urgent data (MSG_OOB) is refused"),
    (SEALED, r".*test_ssl\..*\.test_preauth_data_to_tls_server",
     "sends, and resets the connection, before the handshake is complete: what was sent is discarded"),
)


def prepare(_work, _jobs):
    if not (TESTS / "test_socket.py").exists():
        raise SystemExit(f"suites: there is no {TESTS}/test_socket.py, expected the package libpython3.11-testsuite")
    return TESTS


def run(_tree, run_, words):
    """{test: outcome}. A word that is a module's name chooses that module; any other is a pattern of test names."""
    modules = [word for word in words if word in MODULES]
    argv, single = [], [word[1:] for word in words if word.startswith("=")]
    for name in single:
        modules.append(next((module for module in MODULES if f".{module}." in name), "test_support"))
    for pattern in [*single, *(word for word in words if word not in MODULES and not word.startswith("="))]:
        argv += ["-m", pattern]
    for name in LEFT_OUT:
        argv += ["-i", name]
    report, scratch = run_.folder / "report.xml", run_.folder / "scratch"
    scratch.mkdir()
    run_.command([PYTHON, "-m", "test", f"-j{run_.jobs}", "--timeout", str(MODULE_TIMEOUT), "-u", "network,-urlfetch",
                  "--junit-xml", report, "--tempdir", scratch, *argv, *(modules or MODULES)], 4 * 3600, cwd=scratch)
    shutil.rmtree(scratch, ignore_errors=True)
    return outcomes(report) if report.exists() else {}


def outcomes(path):
    """JUnit's XML -> {test: outcome}."""
    found = {}
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        name = case.get("name") or "(a test that has no name: a module as a whole)"
        outcome = runs.PASSED
        for child in case:
            if child.tag == "skipped":
                outcome = runs.SKIPPED
            elif child.tag in ("failure", "error"):
                lines = [line for line in (child.text or child.get("message") or "").splitlines() if line.strip()]
                outcome = f"{runs.FAILED}: {re.sub(' +', ' ', lines[-1]) if lines else ''}"
        if case.get("result") == "skipped" or case.get("status") == "notrun":
            outcome = runs.SKIPPED
        found[name] = outcome
    return found

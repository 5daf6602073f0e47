import time,signal,sys
sys.path.insert(0,'/work/main/tests/kernel_src'); sys.path.insert(0,'/work/main/tests'); sys.path.insert(0,'/work/main')
from test_run import *
from test_run import long_run
import pytest
@pytest.mark.parametrize("i",range(80))
def test_len(long_run, tmp_path,i):
    time.sleep(0.3); t=time.monotonic(); long_run.send_signal(signal.SIGTERM); rc=long_run.wait(10)
    el=time.monotonic()-t
    d=Finished(0, "", "", tmp_path / "working")
    bad=[r for r in d.rows.values() if not is_tagged(r)]
    ok=rc==0 and el<2 and len(d.rows)==66 and not bad and d.events[-1].get("reason")=="SIGTERM"
    print('MEASURED', ok, round(el,2), rc, len(d.rows), len(bad), d.events[-1], flush=True)
    if not ok: print('REST', long_run.stdout.read()[-3000:], d.events[-6:], flush=True)

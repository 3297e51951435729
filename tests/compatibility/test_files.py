"""Files as tools use them: databases, locks, mappings, links, names, times and builds, bare and inside."""

from typing import Final

import pytest

from tests.compatibility.compared import compared
from tests.machine import Machine

SCRIPTS: Final = {
    "virtual environment": "python3 -m venv --without-pip .v && .v/bin/python -c 'import sys; print(sys.prefix)'; rm -r .v",
    "sqlite in WAL mode": """python3 - <<'E'
import os, sqlite3, threading
c = sqlite3.connect('a.db'); print(c.execute('pragma journal_mode=wal').fetchall())
c.execute('create table t(x)'); c.commit()
def write(n):
    d = sqlite3.connect('a.db', timeout=30)
    for i in range(20): d.execute('insert into t values(?)', (n * 100 + i,)); d.commit()
    d.close()
ts = [threading.Thread(target=write, args=(n,)) for n in range(3)]; [t.start() for t in ts]; [t.join() for t in ts]
print(c.execute('select count(*) from t').fetchall(), c.execute('pragma integrity_check').fetchall())
print(sorted(n for n in os.listdir() if n.startswith('a.db')))
E""",
    "locks": """python3 - <<'E'
import fcntl, subprocess, sys
other = 'import fcntl, sys\\ntry: getattr(fcntl, sys.argv[1])(open("l", "r+"), fcntl.LOCK_EX | fcntl.LOCK_NB); print("got")' \\
        '\\nexcept OSError as e: print(e.errno)'
for how in ('flock', 'lockf'):
    f = open('l', 'w'); getattr(fcntl, how)(f, fcntl.LOCK_EX)
    print(how, subprocess.run([sys.executable, '-c', other, how], capture_output=True, text=True).stdout); f.close()
    print(how, subprocess.run([sys.executable, '-c', other, how], capture_output=True, text=True).stdout)
E""",
    "shared mapping": """python3 - <<'E'
import mmap
open('m', 'wb').write(b'a' * 10000); f = open('m', 'r+b'); m = mmap.mmap(f.fileno(), 0); m[5000:5003] = b'XYZ'; m.flush()
print(open('m', 'rb').read()[4998:5005])
E""",
    "room": "fallocate -l 100000 r; stat -c %s r; truncate -s 5G s; stat -c %s s; du -k s | cut -f1; rm s",
    "holes": "echo x >h; fallocate -p -o 0 -l 4096 h",
    "unnamed file": "python3 -c \"import os; os.open('.', os.O_TMPFILE | os.O_RDWR)\" 2>&1 | tail -1",
    "fallback of it": "python3 -c \"import tempfile; f = tempfile.TemporaryFile(dir='.'); f.write(b'1'); print(f.tell())\"",
    "copies": """python3 - <<'E'
import os
open('c', 'wb').write(bytes(range(256)) * 400); a = os.open('c', os.O_RDONLY); b = os.open('d', os.O_RDWR | os.O_CREAT); n = 0
while n < 102400: n += os.copy_file_range(a, b, 102400 - n)
print(os.sendfile(b, a, 0, 100), open('c', 'rb').read() == open('d', 'rb').read()[:102400])
E""",
    "watching": """python3 - <<'E'
import ctypes, os, struct
c = ctypes.CDLL(None); fd = c.inotify_init1(0); os.mkdir('w'); c.inotify_add_watch(fd, b'w', 0x3ca)
open('w/a', 'w').write('1'); os.rename('w/a', 'w/b'); os.unlink('w/b'); out = []
while not out or out[-1] != (0x200, 'b'):
    data, at = os.read(fd, 65536), 0
    while at < len(data):
        _, m, _, n = struct.unpack_from('iIII', data, at)
        out.append((m, data[at + 16 : at + 16 + n].rstrip(b'\\0').decode())); at += 16 + n
print(out)
E""",
    "attributes": "python3 -c \"import os; os.setxattr('.env', 'user.a', b'1')\" 2>&1 | tail -1; cp -a .env copy.env; cat copy.env",
    "links": "ln -s l1 l2; ln -s l2 l1; cat l1; ln -s . self; cat self/self/app.py; echo h >h1; ln h1 h2; echo more >>h2"
    "; cat h1; stat -c %h h1; ln .env e; stat -c %h .env; cat e; rm e",
    "socket": """python3 - <<'E'
import os, socket, threading
s = socket.socket(socket.AF_UNIX); s.bind('sock'); s.listen()
def serve(): c, _ = s.accept(); c.sendall(c.recv(10).upper()); c.close()
t = threading.Thread(target=serve); t.start()
c = socket.socket(socket.AF_UNIX); c.connect('sock'); c.sendall(b'hey'); print(c.recv(10), oct(os.stat('sock').st_mode))
E""",
    "pipe": "mkfifo p; echo through >p & cat p; rm p",
    "many": "for i in 1 2 3 4 5 6 7 8; do mkdir -p big/$i; (cd big/$i; seq 60 | xargs touch); done; find big | wc -l; rm -r big; ls",
    "modes": "umask 027; touch u; mkdir v; stat -c '%a' u v; chmod 4755 u; stat -c %a u; chmod 0 u; cat u; chmod +t,g+s v; stat -c %a v",
    "names": "touch $(printf %0255d 1) 'ä é 日本 🎉' $(printf '\\377\\376n'); touch $(printf %0256d 1); ls -b | cut -c1-40"
    "; echo 1 >Aa; echo 2 >aA; cat Aa aA",
    "times": "touch -d '2001-02-03 04:05:06.123456789 UTC' t1 .env; cp -p t1 t2; rsync -a t1 t3; stat -c %y t1 t2 t3 .env"
    "; cat .env >/dev/null; stat -c %y .env",
    "make": "printf 'a: b\\n\\tcp b a\\n' >Makefile; touch -d '2 hours ago' b; make; make; touch -d '3 hours ago' a; make",
    "compiler": "printf 'int puts(const char*);int main(){puts(\"hi\");}' >m.c; gcc -g -o m m.c && ./m; gcc -c m.c && ar rc l.a m.o && ar t l.a",
    "masked": "sed -i s/DEBUG=true/DEBUG=12/ .env; echo X=1 >>.env; cat .env; stat -c '%a %U' .env; wc -l <.env"
    "; [ $(wc -c <.env) = $(stat -c %s .env) ]; echo $?; vim -es -u NONE -c 'normal Goadded=1' -c wq .env; tail -1 .env; ls -A",
    "node": "node -e \"const f=require('fs');f.cpSync('.git','g',{recursive:true,filter:s=>!s.includes('config')});f.mkdirSync('k/l',{recursive:true});f.rmSync('k',{recursive:true});"
    "console.log(f.readFileSync('g/HEAD','utf8'));f.rmSync('g',{recursive:true});const w=f.watch('.',(e,n)=>{if(n=='seen'){console.log('saw it');w.close()}});"
    "setTimeout(()=>f.writeFileSync('seen','1'),50)\"",
    "npm test": 'mkdir pk; cd pk; echo \'{"name":"a","version":"1.0.0","scripts":{"test":"node -e 1 && echo tested"}}\' >package.json'
    "; npm test 2>&1 | grep -v notice",
    "moved folder": "mkdir -p r1/d; touch r1/d/f; mv r1 r2; mv r2 /tmp/moved.$$; mv /tmp/moved.$$ r3; ls r3/d",
    "gone but open": "exec 3<>open1; rm open1; echo x >&3; ls open1; cat /proc/self/fd/3; exec 3>&-",
    "direct": "dd if=/dev/zero of=dd1 bs=4096 count=4 oflag=direct status=none; stat -c %s dd1",
    "processes": "python3 -c 'import multiprocessing as m; print(m.Pool(2).map(abs, [-1, -2]))'; nice true; setsid true; nohup true",
}

BY_FUSE: Final = {
    "holes": "FUSE has no way to say what a masked file's hole would be: EOPNOTSUPP, as on many file systems",
    "unnamed file": "O_TMPFILE: EOPNOTSUPP, as on NFS; programs fall back to a named one",
    "attributes": "user.* attributes of files are not served: EOPNOTSUPP; `cp -a` does without",
}
BY_BINDS: Final = {
    "links": "a cover is another file: EXDEV, and its link count is its own",
    "masked": "a covered file can be neither renamed nor removed: `sed -i` fails",
}
"""Where inside is otherwise, and why."""


@pytest.mark.parametrize(("view", "meant"), [("fuse", BY_FUSE), ("binds", BY_BINDS)])
def test_tools_find_files_inside_as_outside(view: str, meant: dict[str, str]) -> None:
    """Promise 3, and that nobody has to know of the view."""

    def made(machine: Machine) -> None:
        machine.git("rm", "-q", "--cached", "app.py")

    # by binds a pipe that appears is taken for one of the host's, and covered: who waits at its end waits for ever
    scripts = {name: script for name, script in SCRIPTS.items() if name != "pipe" or view == "fuse"}
    seen = compared(scripts, made, view=view, left="cat .env")
    assert seen.differing == meant.keys(), "\n".join(
        f"{name}\n{seen.bare[name]}\n{seen.inside[name]}" for name in seen.differing ^ meant.keys()
    )
    assert seen.left[0] == seen.left[1] or view == "binds"

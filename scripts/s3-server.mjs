/**
 * moto, a server that speaks S3's protocol, for the tests: from PyPI, into the cache, once (20 s, 114 MB).
 *
 * Run as a program it starts one on a free port of this host, says the port on stdout and ends with its stdin.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { attempt, isMain, need, Shortfall, say, tail, which } from './system.mjs';
import { cached, cacheRoot } from './wheel.mjs';

const MOTO = '5.2.5';

const SERVE = `
import logging, sys
logging.getLogger('werkzeug').setLevel(logging.ERROR)
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address='127.0.0.1', port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
server.stop()
`;

/** Folder of the Python packages. @throws Shortfall when Python or the registry are missing */
export function ensureMoto() {
  need(
    () => which('python3') && attempt('python3', ['-m', 'pip', '--version']).ok,
    ['python3', 'python3-pip'],
    'Python 3 with pip is missing: the S3 server of the tests is a package of PyPI',
  );
  return cached(join(cacheRoot(), `moto-${MOTO}`), (folder) => {
    say(`installing moto ${MOTO}, the S3 server of the tests`);
    const packages = [`moto[s3]==${MOTO}`, 'flask', 'flask-cors'];
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--target', folder, ...packages];
    const done = attempt('python3', pip);
    if (!done.ok) throw new Shortfall(`pip could not install moto: ${tail(done.stderr)}`);
  });
}

if (isMain(import.meta.url)) {
  const env = { ...process.env, PYTHONPATH: ensureMoto() };
  const child = spawn('python3', ['-c', SERVE], { env, stdio: ['inherit', 'inherit', 'inherit'] });
  child.on('exit', (code) => process.exit(code ?? 1));
}

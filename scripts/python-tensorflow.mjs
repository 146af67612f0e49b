/**
 * TensorFlow for Python, for the tests: from PyPI, into the cache, once (about 260 MB to download, a minute, 1.5 GB on disk).
 * What is exported must be read by the one program that decides what a SavedModel is.
 *
 * Run as a program it runs Python with it: node scripts/python-tensorflow.mjs check.py arguments …
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { attempt, isMain, need, Shortfall, say, tail, which } from './system.mjs';
import { cached, cacheRoot, TENSORFLOW } from './wheel.mjs';

/** Folder of the Python packages. @throws Shortfall when Python or the registry are missing */
export function ensurePythonTensorFlow() {
  need(
    () => which('python3') && attempt('python3', ['-m', 'pip', '--version']).ok,
    ['python3', 'python3-pip'],
    'Python 3 with pip is missing: tests read exported models with TensorFlow for Python',
  );
  return cached(join(cacheRoot(), `python-tensorflow-${TENSORFLOW}`), (folder) => {
    say(`installing TensorFlow ${TENSORFLOW} for Python, for the tests (about 260 MB, once)`);
    const name = process.arch === 'x64' ? 'tensorflow-cpu' : 'tensorflow';
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-compile', '--no-cache-dir'];
    const done = attempt('python3', [...pip, '--target', folder, `${name}==${TENSORFLOW}`]);
    if (!done.ok) throw new Shortfall(`pip could not install TensorFlow ${TENSORFLOW}: ${tail(done.stderr)}`);
  });
}

if (isMain(import.meta.url)) {
  const env = { ...process.env, PYTHONPATH: ensurePythonTensorFlow(), TF_CPP_MIN_LOG_LEVEL: '3' };
  const { status } = spawnSync('python3', process.argv.slice(2), { env, stdio: 'inherit' });
  process.exit(status ?? 1);
}

/**
 * TensorFlow's wheel in the cache: downloaded with pip, reduced to libraries and C headers. The layout is described in
 * native.mjs. Every folder is written under a temporary name and renamed: it is whole or absent, also with two set-ups
 * at once.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { attempt, need, Shortfall, say, tail, which } from './system.mjs';

export const TENSORFLOW = '2.21.0';
/** Any Python can download for this one, so a host whose Python is older or newer than TensorFlow's wheels will do. */
const WHEEL_PYTHON = '3.11';

export function cacheRoot(env = process.env) {
  return env.SHEAF_CACHE || join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'sheaf');
}

const python = () =>
  need(
    () => which('python3') && attempt('python3', ['-m', 'pip', '--version']).ok && 'python3',
    ['python3', 'python3-pip'],
    'Python 3 with pip is missing: TensorFlow is a package of PyPI',
  );

/** Fills `<cache>/<name>` by `make(temporary folder)`, once and atomically. */
export function cached(folder, make) {
  if (existsSync(folder)) return folder;
  const parent = dirname(folder);
  mkdirSync(parent, { recursive: true });
  const temporary = `${folder}.tmp-${process.pid}`;
  try {
    mkdirSync(temporary);
    make(temporary);
    renameSync(temporary, folder);
  } catch (error) {
    // ENOTEMPTY: another set-up was first, and its folder is as good.
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  return folder;
}

/** Removes what set-ups killed in the middle left behind, more than a day ago. */
export function sweep(root) {
  for (const name of existsSync(root) ? readdirSync(root) : []) {
    const path = join(root, name);
    if (name.includes('.tmp-') && Date.now() - statSync(path).mtimeMs > 86_400_000)
      rmSync(path, { recursive: true, force: true });
  }
}

function download(requirements, into) {
  const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
  const platforms = ['manylinux_2_28', 'manylinux_2_27', 'manylinux_2_17', 'manylinux2014'];
  const done = attempt(
    'python3',
    ['-m', 'pip', 'download', '--no-deps', '--no-cache-dir', '--disable-pip-version-check', '--dest', into]
      .concat('--only-binary=:all:', '--implementation', 'cp', '--python-version', WHEEL_PYTHON)
      .concat(platforms.flatMap((platform) => ['--platform', `${platform}_${machine}`]))
      .concat(process.stderr.isTTY ? [] : ['--quiet'], requirements),
    // pip draws its progress on stdout, which is not ours to write on.
    { stdio: ['ignore', process.stderr.isTTY ? 2 : 'pipe', 'pipe'] },
  );
  if (done.ok) return;
  const unreachable = done.stderr.includes('Retrying (') && 'the package index does not answer';
  const reason = unreachable || tail(done.stderr, 1).replace(/^ERROR: /, '');
  throw new Shortfall(
    `pip could not download ${requirements[0]}: ${reason}`,
    'check the network and `pip config list`',
  );
}

/** Only what linking and running need: a fifteenth of the wheel's files. */
const WANTED = [
  '^tensorflow/libtensorflow_(cc|framework)\\.so',
  '^tensorflow/include/(absl|tensorflow/c|tensorflow/core/platform|tsl|xla/tsl)/.*\\.(h|inc)$',
  '^nvidia/(?!.*/include/)',
  '\\.dist-info/(METADATA|licen[cs]e.*)$',
].join('|');

const UNPACK = `
import os, re, sys, zipfile
target, wanted, wheels = sys.argv[1], re.compile(sys.argv[2], re.I), sys.argv[3:]
for wheel in wheels:
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            if wanted.search(entry.filename) and not entry.is_dir():
                path = archive.extract(entry, target)
                if (entry.external_attr >> 16) & 0o111: os.chmod(path, 0o755)
`;

function unpack(wheels, into) {
  const files = readdirSync(wheels)
    .filter((name) => name.endsWith('.whl'))
    .map((name) => join(wheels, name));
  const done = attempt('python3', ['-c', UNPACK, into, WANTED, ...files]);
  if (!done.ok)
    throw new Shortfall(
      `cannot unpack TensorFlow into ${into}: ${tail(done.stderr)}`,
      `df -h ${into}   # about 1 GB, with CUDA 7 GB, are needed`,
    );
}

/** The wheel's own list of CUDA libraries: `Requires-Dist: nvidia-cublas-cu12<13.0,>=12.5.3.2; extra == "and-cuda"`. */
export function cudaRequirements(metadata) {
  return [...metadata.matchAll(/^Requires-Dist:\s*(nvidia-[^;]+?)\s*;.*extra == ["']and-cuda["']/gm)].map(
    (match) => match[1],
  );
}

export function fetchTensorFlow(root, device) {
  const whole = join(root, `tensorflow-${TENSORFLOW}-${device}`);
  // Somebody tidied up inside it: begin anew.
  if (!existsSync(join(whole, 'tensorflow', 'libtensorflow_cc.so.2'))) rmSync(whole, { recursive: true, force: true });
  return cached(whole, (folder) => {
    python();
    // Where the machine is no x86, the package that is named for the CPU is not published; the other has no CUDA there.
    const name = device === 'cpu' && process.arch === 'x64' ? 'tensorflow-cpu' : 'tensorflow';
    const size = device === 'cpu' ? '260 MB' : '3 GB';
    say(`downloading TensorFlow ${TENSORFLOW} for ${device} from PyPI (about ${size}, once; kept in ${root})`);
    const wheels = join(folder, 'wheels');
    mkdirSync(wheels);
    download([`${name}==${TENSORFLOW}`], wheels);
    unpack(wheels, folder);
    if (device === 'cuda') {
      const info = readdirSync(folder).find((entry) => entry.endsWith('.dist-info'));
      rmSync(wheels, { recursive: true });
      mkdirSync(wheels);
      download(cudaRequirements(readFileSync(join(folder, info, 'METADATA'), 'utf8')), wheels);
      unpack(wheels, folder);
    }
    rmSync(wheels, { recursive: true });
  });
}

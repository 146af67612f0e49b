#!/usr/bin/env node
/**
 * Links @tensorflow/tfjs-node-gpu against TensorFlow's own wheel from PyPI (`npm run native`).
 *
 * The package's install script fetches libtensorflow 2.9.1 (CUDA 11.2): old, and from a site that many networks do not
 * reach. TensorFlow's wheel holds the same C API, current, for CPU and for CUDA 12. So: pip downloads the wheel, its
 * libraries and C headers go to a cache outside node_modules, and g++ compiles the package's two binding sources with
 * Node-API's headers from npm. One binary serves every Node version.
 *
 * Cache (`$SHEAF_CACHE`, `$XDG_CACHE_HOME/sheaf` or `~/.cache/sheaf`):
 *   tensorflow-<version>-<cpu|cuda>/tensorflow/    libraries and headers, as in the wheel
 *   tensorflow-<version>-<cpu|cuda>/nvidia/        CUDA's wheels: the libraries' RUNPATH is $ORIGIN/../nvidia/<part>/lib
 *   tensorflow-<version>-<cpu|cuda>/binding-<key>/ tfjs_binding.node, RUNPATH $ORIGIN/../tensorflow
 * Every directory is written under a temporary name and renamed: it is whole or absent, also with two set-ups at once.
 *
 * Failure model: nothing here is fatal to Sheaf, which computes on wasm without it. The outcome, good or bad, stands in
 * `lib/sheaf-native.json` inside the package, where `src/mlp/native.ts` and `sheaf doctor` read it.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { aptInstall, attempt, Shortfall, say, tail, which } from './system.mjs';

export const TENSORFLOW = '2.21.0';
/** Any Python can download for this one, so a host whose Python is older or newer than TensorFlow's wheels will do. */
const WHEEL_PYTHON = '3.11';
const PACKAGE = '@tensorflow/tfjs-node-gpu';
/** A failure is not tried again by every start: downloads that time out would make each one slow. */
const RETRY_AFTER_MS = 3_600_000;

const require = createRequire(import.meta.url);

function packageFolder(name) {
  try {
    return dirname(require.resolve(`${name}/package.json`));
  } catch {
    throw new Shortfall(`the npm package ${name} is not installed`, 'npm ci --include=optional');
  }
}

const versionOf = (folder) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version;

export function cacheRoot(env = process.env) {
  return env.SHEAF_CACHE || join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'sheaf');
}

/** `SHEAF_DEVICE`, or cuda where NVIDIA's driver answers. */
export function wantedDevice(env = process.env) {
  if (env.SHEAF_DEVICE === 'cpu' || env.SHEAF_DEVICE === 'cuda') return env.SHEAF_DEVICE;
  if (env.SHEAF_DEVICE)
    throw new Shortfall(`SHEAF_DEVICE=${env.SHEAF_DEVICE} is neither cpu nor cuda`, 'unset SHEAF_DEVICE');
  const driver = existsSync('/dev/nvidiactl') || existsSync('/dev/dxg');
  return driver && attempt('nvidia-smi', ['-L']).ok ? 'cuda' : 'cpu';
}

function checkPlatform() {
  const fallback = 'no command: Sheaf computes on wasm here';
  if (process.platform !== 'linux') {
    throw new Shortfall(`the native part is built for Linux only, this is ${process.platform}`, fallback);
  }
  if (process.arch !== 'x64' && process.arch !== 'arm64') {
    throw new Shortfall(`TensorFlow publishes no wheel for ${process.arch}`, fallback);
  }
  process.report.excludeNetwork = true;
  if (!process.report.getReport().header.glibcVersionRuntime) {
    throw new Shortfall('TensorFlow needs glibc, and this system has another C library (Alpine?)', fallback);
  }
}

/** `find` again after a try to install Debian `packages`; throws what is missing otherwise. */
function need(find, packages, message) {
  const found = find() || (aptInstall(...packages) && find());
  if (!found) throw new Shortfall(message, `sudo apt-get install -y ${packages.join(' ')}   # then: npm run native`);
  return found;
}

const python = () =>
  need(
    () => which('python3') && attempt('python3', ['-m', 'pip', '--version']).ok && 'python3',
    ['python3', 'python3-pip'],
    'Python 3 with pip is missing: TensorFlow is a package of PyPI',
  );

const compiler = () =>
  need(() => process.env.CXX || which('g++', 'c++', 'clang++'), ['g++'], 'a C++ compiler is missing');

/** Fills `<cache>/<name>` by `make(temporary folder)`, once and atomically. */
function cached(folder, make) {
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
function sweep(root) {
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
  if (!done.ok)
    throw new Shortfall(`pip could not download ${requirements[0]}: ${tail(done.stderr)}`, 'npm run native');
}

/** Only what linking and running need: a fifteenth of the wheel's files. */
const WANTED = [
  '^tensorflow/libtensorflow_(cc|framework)\\.so',
  '^tensorflow/include/(tensorflow/c|tensorflow/core/platform|tsl|xla/tsl)/.*\\.h$',
  '^tensorflow[^/]*\\.libs/',
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

function fetchTensorFlow(root, device) {
  return cached(join(root, `tensorflow-${TENSORFLOW}-${device}`), (folder) => {
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

function compileBinding(tensorflow) {
  const source = packageFolder(PACKAGE);
  const headers = packageFolder('node-api-headers');
  return cached(join(tensorflow, `binding-${versionOf(source)}-napi-${versionOf(headers)}`), (folder) => {
    const cxx = compiler();
    say(`compiling the binding of ${PACKAGE} ${versionOf(source)} with ${cxx}`);
    const done = attempt(cxx, [
      ...['-std=c++17', '-O2', '-fPIC', '-shared', '-DNAPI_VERSION=8', '-w'],
      ...['tfjs_backend.cc', 'tfjs_binding.cc'].map((file) => join(source, 'binding', file)),
      ...['-I', join(headers, 'include'), '-I', join(tensorflow, 'tensorflow', 'include')],
      ...['-L', join(tensorflow, 'tensorflow'), '-l:libtensorflow_cc.so.2', '-l:libtensorflow_framework.so.2'],
      ...['-Wl,-rpath,$ORIGIN/../tensorflow', '-o', join(folder, 'tfjs_binding.node')],
    ]);
    if (!done.ok) throw new Shortfall(`the binding does not compile: ${tail(done.stderr, 6)}`, 'npm run native');
  });
}

/** Points the package's binding at the cache: `lib/napi-v8/tfjs_binding.node`, where tfjs-node looks for it. */
function link(binding) {
  const folder = join(packageFolder(PACKAGE), 'lib', 'napi-v8');
  mkdirSync(folder, { recursive: true });
  const temporary = join(folder, `tfjs_binding.tmp-${process.pid}`);
  symlinkSync(join(binding, 'tfjs_binding.node'), temporary);
  renameSync(temporary, join(folder, 'tfjs_binding.node'));
}

const VERIFY = `
const util = require('node:util');
util.isNullOrUndefined ??= (value) => value == null;
const tf = require(${JSON.stringify(PACKAGE)});
const product = tf.matMul(tf.tensor2d([1, 2, 3, 4], [2, 2]), tf.tensor2d([5, 6, 7, 8], [2, 2])).dataSync();
if ([...product].join() !== '19,22,43,50') throw new Error('wrong product ' + product);
const { binding, isUsingGpuDevice } = tf.backend();
process.stdout.write('\\n' + JSON.stringify({ tensorflow: binding.TF_Version, gpu: isUsingGpuDevice }));
`;

/** Loads the binding in a process of its own, since a wrong library may kill the process, and multiplies two matrices. */
function verify() {
  const env = { TF_CPP_MIN_LOG_LEVEL: '2', TF_FORCE_GPU_ALLOW_GROWTH: 'true', ...process.env };
  const done = attempt(process.execPath, ['-e', VERIFY], {
    cwd: dirname(fileURLToPath(import.meta.url)),
    env,
    timeout: 300_000,
  });
  if (done.ok) return JSON.parse(done.stdout.slice(done.stdout.lastIndexOf('\n')));
  const illegal =
    done.signal === 'SIGILL' ? 'this processor lacks instructions that TensorFlow needs (AVX)' : undefined;
  throw new Shortfall(illegal ?? `TensorFlow does not load: ${done.signal ?? tail(done.stderr, 6)}`, 'npm run native');
}

const recordPath = () => join(packageFolder(PACKAGE), 'lib', 'sheaf-native.json');

function record(state) {
  mkdirSync(dirname(recordPath()), { recursive: true });
  writeFileSync(recordPath(), `${JSON.stringify({ ...state, at: new Date().toISOString() }, null, 2)}\n`);
  return state;
}

/** What an earlier run left, if it still holds for this machine: undefined means there is something to do. */
function settled(wanted) {
  try {
    const state = JSON.parse(readFileSync(recordPath(), 'utf8'));
    if (state.wanted !== wanted) return undefined;
    if (state.reason) return Date.now() - Date.parse(state.at) < RETRY_AFTER_MS ? state : undefined;
    const binding = realpathSync(join(dirname(recordPath()), 'napi-v8', 'tfjs_binding.node'));
    return state.tensorflow === TENSORFLOW && existsSync(binding) ? state : undefined;
  } catch {
    return undefined;
  }
}

function install(device) {
  checkPlatform();
  sweep(cacheRoot());
  const tensorflow = fetchTensorFlow(cacheRoot(), device);
  const binding = compileBinding(tensorflow);
  link(binding);
  try {
    const seen = verify();
    say(`TensorFlow ${seen.tensorflow} is linked (${seen.gpu ? 'GPU' : 'CPU'})`);
    return { tensorflow: seen.tensorflow, device, gpu: seen.gpu, folder: tensorflow };
  } catch (error) {
    rmSync(binding, { recursive: true, force: true });
    throw error;
  }
}

/**
 * Makes the native part ready, or says why it is not. Never throws for a shortfall of the machine.
 * @returns `{ tensorflow, device, gpu, folder }` or `{ reason, advice }`
 */
export function ensureNative({ again = false } = {}) {
  let wanted = 'cpu';
  try {
    wanted = wantedDevice();
    const before = again ? undefined : settled(wanted);
    if (before) return before;
    return record({ wanted, ...install(wanted) });
  } catch (error) {
    const state = { wanted, reason: error.message, advice: error.advice ?? 'npm run native' };
    say(`no native TensorFlow: ${state.reason}`);
    say(`  Sheaf computes on wasm, slower. To mend it: ${state.advice}`);
    try {
      return record(state);
    } catch {
      return state; // the package itself is missing: nowhere to write, and the reason says so
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const state = ensureNative({ again: true });
  if (state.reason) process.exit(1);
}

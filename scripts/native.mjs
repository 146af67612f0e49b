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
 *
 * Failure model: nothing here is fatal to Sheaf, which computes on wasm without it. The outcome, good or bad, stands in
 * `lib/sheaf-native.json` inside the package, where `src/mlp/native.ts` and `sheaf doctor` read it.
 */
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { attempt, isMain, need, Shortfall, say, tail, which } from './system.mjs';
import { cached, cacheRoot, fetchTensorFlow, sweep, TENSORFLOW } from './wheel.mjs';

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

/** `SHEAF_DEVICE`, or cuda where NVIDIA's driver answers and TensorFlow publishes a wheel for it (x86-64). */
export function wantedDevice(env = process.env) {
  if (env.SHEAF_DEVICE === 'cpu' || env.SHEAF_DEVICE === 'cuda') return env.SHEAF_DEVICE;
  if (env.SHEAF_DEVICE)
    throw new Shortfall(`SHEAF_DEVICE=${env.SHEAF_DEVICE} is neither cpu nor cuda`, 'unset SHEAF_DEVICE');
  const driver = existsSync('/dev/nvidiactl') || existsSync('/dev/dxg');
  return process.arch === 'x64' && driver && attempt('nvidia-smi', ['-L']).ok ? 'cuda' : 'cpu';
}

function checkPlatform() {
  process.report.excludeNetwork = true;
  const here = `${process.platform} ${process.arch}`;
  const advice = 'use Linux with glibc, on x86-64 or ARM64';
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
    throw new Shortfall(`the native part cannot be linked on ${here}`, advice);
  }
  if (!process.report.getReport().header.glibcVersionRuntime) {
    throw new Shortfall('TensorFlow needs glibc, and this Linux has another C library', advice);
  }
}

const compiler = () =>
  need(() => process.env.CXX || which('g++', 'c++', 'clang++'), ['g++'], 'a C++ compiler is missing');

const QUIET = join(dirname(fileURLToPath(import.meta.url)), 'quiet.cc');
const FLAGS = ['-std=c++17', '-O2', '-fPIC', '-shared', '-DNAPI_VERSION=8', '-w'];

/** Everything that the compiled binding depends on is in its folder's name. */
function bindingFolder(tensorflow) {
  const recipe = createHash('sha256').update(FLAGS.join()).update(readFileSync(QUIET)).digest('hex').slice(0, 8);
  const versions = `${versionOf(packageFolder(PACKAGE))}-${versionOf(packageFolder('node-api-headers'))}`;
  return join(tensorflow, `binding-${versions}-${recipe}`);
}

function compileBinding(tensorflow) {
  return cached(bindingFolder(tensorflow), (folder) => {
    const cxx = compiler();
    say(`compiling the binding of ${PACKAGE} with ${cxx} (about 10 s, once)`);
    const source = join(packageFolder(PACKAGE), 'binding');
    const headers = join(packageFolder('node-api-headers'), 'include');
    const libraries = join(tensorflow, 'tensorflow');
    const compile = (output, ...rest) => {
      const include = ['-I', headers, '-I', join(libraries, 'include'), '-L', libraries, '-L', folder];
      const files = ['-o', join(folder, output), ...rest, '-l:libtensorflow_framework.so.2'];
      const done = attempt(cxx, [...FLAGS, ...include, ...files]);
      if (!done.ok) throw new Shortfall(`the binding does not compile: ${tail(done.stderr, 6)}`);
    };
    compile('libquiet.so', QUIET, '-Wl,-z,initfirst');
    const sources = ['tfjs_backend.cc', 'tfjs_binding.cc'].map((file) => join(source, file));
    const path = '-Wl,--no-as-needed,-rpath,$ORIGIN:$ORIGIN/../tensorflow';
    compile('tfjs_binding.node', ...sources, path, '-l:libquiet.so', '-l:libtensorflow_cc.so.2');
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
  throw new Shortfall(illegal ?? `TensorFlow does not load: ${done.signal ?? tail(done.stderr, 6)}`);
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
    const current = basename(bindingFolder('')) === basename(dirname(binding));
    return state.tensorflow === TENSORFLOW && current ? state : undefined;
  } catch {
    return undefined;
  }
}

function install(device) {
  checkPlatform();
  compiler(); // looked for before the large download
  sweep(cacheRoot());
  const tensorflow = fetchTensorFlow(cacheRoot(), device);
  const binding = compileBinding(tensorflow);
  link(binding);
  try {
    const seen = verify();
    say(`TensorFlow ${seen.tensorflow} is linked (${device} build, computes on the ${seen.gpu ? 'GPU' : 'CPU'})`);
    return { tensorflow: seen.tensorflow, device, gpu: seen.gpu, folder: tensorflow };
  } catch (error) {
    rmSync(binding, { recursive: true, force: true });
    throw error;
  }
}

/** CUDA's libraries are large; where they cannot be had, the CPU build is better than none, unless CUDA was asked for. */
function installBest(wanted) {
  try {
    return install(wanted);
  } catch (error) {
    if (wanted === 'cpu' || process.env.SHEAF_DEVICE) throw error;
    say(`no TensorFlow for the GPU (${error.message}); taking the CPU build. To try again: npm run native`);
    return install('cpu');
  }
}

/**
 * Makes the native part ready, or says why it is not. Never throws for a shortfall of the machine.
 * @returns `{ tensorflow, device, gpu, folder }` or `{ reason, advice }`
 */
export function ensureNative({ again = false } = {}) {
  let wanted = process.env.SHEAF_DEVICE ?? 'cpu';
  try {
    wanted = wantedDevice();
    const before = again ? undefined : settled(wanted);
    if (before) return before;
    return record({ wanted, ...installBest(wanted) });
  } catch (error) {
    const advice = error.advice ? `${error.advice}, then npm run native` : 'npm run native';
    const state = { wanted, reason: error.message, advice };
    say(`no native TensorFlow: ${state.reason}`);
    say(`  Sheaf computes on wasm, slower. To mend it: ${state.advice}`);
    try {
      return record(state);
    } catch {
      return state; // the package itself is missing: nowhere to write, and the reason says so
    }
  }
}

if (isMain(import.meta.url)) {
  process.exitCode = ensureNative({ again: true }).reason ? 1 : 0;
}

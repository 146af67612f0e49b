#!/usr/bin/env node
/**
 * Compiles Sheaf's own add-on (`native/*.cc`: shared memory, vector kernels, graphs in TensorFlow, products on matrix units)
 * with Node-API's headers from npm, into the cache (see native.mjs), and links it as `native/build/sheaf.node`, where
 * `src/native/addon.ts` looks for it. It needs g++ and takes seconds, once. Without it vectors are computed in JavaScript,
 * to the same bits, more slowly, and native TensorFlow cannot be used.
 */
import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { attempt, isMain, need, Shortfall, say, tail, which } from './system.mjs';
import { cached, cacheRoot } from './wheel.mjs';

const SOURCES = join(dirname(fileURLToPath(import.meta.url)), '..', 'native');
const LINK = join(SOURCES, 'build', 'sheaf.node');
/**
 * No contraction to fused multiply-adds: the kernels' bits are those of JavaScript's float32 arithmetic. Nobody reads errno or
 * floating-point exceptions, without which roots and choices are vectorised.
 */
const FLAGS = [
  '-std=c++17',
  '-O3',
  '-ffp-contract=off',
  '-fno-math-errno',
  '-fno-trapping-math',
  '-fPIC',
  '-shared',
  '-DNAPI_VERSION=8',
  '-Wall',
];

const sourceFiles = () =>
  readdirSync(SOURCES)
    .filter((name) => /\.(cc|h)$/.test(name))
    .sort();

/** Compiled into the add-on: `src/native/addon.ts`, which hashes alike, loads none that was compiled from other sources. */
export function sourcesHash() {
  const hash = createHash('sha256');
  for (const file of sourceFiles()) hash.update(file).update(readFileSync(join(SOURCES, file)));
  return hash.digest('hex').slice(0, 16);
}

/** Everything that the compiled add-on depends on is in its folder's name. */
function folderOf(headers, sources) {
  const recipe = createHash('sha256').update(FLAGS.join()).update(`${process.platform} ${process.arch}`);
  recipe.update(readFileSync(join(headers, '..', 'package.json'))).update(sources);
  return join(cacheRoot(), `addon-${recipe.digest('hex').slice(0, 16)}`);
}

function compile() {
  let headers;
  try {
    headers = createRequire(import.meta.url)('node-api-headers').include_dir;
  } catch {
    throw new Shortfall('the npm package node-api-headers is not installed', 'npm ci --include=optional');
  }
  const sources = sourcesHash();
  return cached(folderOf(headers, sources), (folder) => {
    const cxx = need(() => process.env.CXX || which('g++', 'c++', 'clang++'), ['g++'], 'a C++ compiler is missing');
    const files = sourceFiles().filter((name) => name.endsWith('.cc'));
    const options = [...FLAGS, `-DSHEAF_SOURCES="${sources}"`, '-I', headers, '-o', join(folder, 'sheaf.node')];
    const done = attempt(cxx, [...options, ...files.map((name) => join(SOURCES, name))]);
    if (!done.ok) throw new Shortfall(`the add-on does not compile: ${tail(done.stderr, 6)}`);
  });
}

/** Makes the add-on ready, or says why it is not. Never throws for a shortfall of the machine. */
export function ensureAddon() {
  try {
    if (process.platform !== 'linux') throw new Shortfall(`the add-on is for Linux, not ${process.platform}`);
    const target = join(compile(), 'sheaf.node');
    if (existsSync(LINK) && lstatSync(LINK).isSymbolicLink() && readlinkSync(LINK) === target) return true;
    mkdirSync(dirname(LINK), { recursive: true });
    symlinkSync(target, `${LINK}.tmp-${process.pid}`);
    renameSync(`${LINK}.tmp-${process.pid}`, LINK);
    return true;
  } catch (error) {
    say(`no add-on of its own: ${error.message}${error.advice ? ` (to mend it: ${error.advice})` : ''}`);
    return false;
  }
}

if (isMain(import.meta.url)) process.exitCode = ensureAddon() ? 0 : 1;

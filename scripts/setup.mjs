#!/usr/bin/env node
/**
 * The one set-up, called by `npm start` and `npm test`: dependencies, native part, build, and with `--all` what only
 * the tests need. Idempotent; a second run only looks (well under a second) and says nothing.
 *
 * Failure model: without dependencies or build nothing runs, so those end it. A missing native part, redis-server or
 * software GPU is named with the command that mends it, and the set-up goes on; only under `CI`, which must test them,
 * that is an error.
 */
import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { attempt, isMain, need, say, which } from './system.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

function readJson(path) {
  try {
    return JSON.parse(readFileSync(join(root, path), 'utf8'));
  } catch {
    return undefined;
  }
}

/** Runs an npm command with its output on stderr; ends the set-up when it fails. */
function npm(...args) {
  if (attempt('npm', args, { cwd: root, stdio: ['ignore', 2, 2] }).ok) return;
  say(`'npm ${args.join(' ')}' failed; its own message stands above`);
  process.exit(1);
}

/** Whether npm's record of what is installed agrees with the lock file; optional packages may be absent. */
export function dependenciesMatch(lock, installed) {
  if (!installed) return false;
  return Object.entries(lock.packages).every(([path, wanted]) => {
    const found = installed.packages[path];
    return path === '' || (found ? found.version === wanted.version : wanted.optional || wanted.devOptional);
  });
}

function installDependencies() {
  if (dependenciesMatch(readJson('package-lock.json'), readJson('node_modules/.package-lock.json'))) return;
  say('installing the npm packages');
  npm('ci', '--include=dev', '--loglevel=error');
}

/** Time of the last change below `path`; a deleted file changes its folder's. */
function lastChange(path) {
  const { mtimeMs } = statSync(path);
  const below = readdirSync(path, { withFileTypes: true });
  return below.reduce((latest, entry) => {
    const inner = join(path, entry.name);
    return Math.max(latest, entry.isDirectory() ? lastChange(inner) : statSync(inner).mtimeMs);
  }, mtimeMs);
}

function build() {
  const stamp = join(root, 'dist', '.built');
  const inputs = ['tsconfig.json', 'tsconfig.build.json', 'node_modules/.package-lock.json'];
  const changed = Math.max(lastChange(join(root, 'src')), ...inputs.map((name) => statSync(join(root, name)).mtimeMs));
  if ((statSync(stamp, { throwIfNoEntry: false })?.mtimeMs ?? 0) > changed) return;
  const started = new Date();
  say('building dist');
  npm('run', '--silent', 'build');
  writeFileSync(stamp, '');
  utimesSync(stamp, started, started); // not now: a source may have changed during the build
}

/** What only tests need; says what is missing. @returns what cannot be tested, and why; undefined when nothing is missing */
async function forTests() {
  const { ensureSwiftShader } = await import('./swiftshader.mjs');
  const missing = 'redis-server is missing: needed by local-cluster masters';
  return [() => need(() => which('redis-server'), ['redis-server'], missing), ensureSwiftShader]
    .map((ensure) => shortfallOf(ensure))
    .find((text) => text);
}

function shortfallOf(ensure) {
  try {
    ensure();
    return undefined;
  } catch (shortfall) {
    say(`${shortfall.message}. To mend it: ${shortfall.advice}`);
    return shortfall.message;
  }
}

async function main() {
  if (Number(process.versions.node.split('.')[0]) < 20) {
    say(`Node ${process.versions.node} is too old: Sheaf needs Node 20 or newer`);
    process.exit(1);
  }
  installDependencies();
  const { ensureNative } = await import('./native.mjs');
  const native = ensureNative();
  const { ensureAddon } = await import('./addon.mjs');
  const addon = ensureAddon();
  build();
  const untested = process.argv.includes('--all') ? await forTests() : undefined;
  const missing = native.reason ?? (addon ? untested : 'the add-on is missing');
  if (process.env.CI && missing) {
    say(`CI tests the native parts, the cluster path and WebGPU, and ${missing}`);
    process.exit(1);
  }
}

if (isMain(import.meta.url)) await main();

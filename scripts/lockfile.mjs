#!/usr/bin/env node
/**
 * Completes package-lock.json (`npm run lock`, after every `npm install NAME`).
 *
 * npm leaves an optional package out of the lock when the registry in use does not offer it, as mirrors that hold one
 * platform's packages do not offer the others'; then `npm ci` refuses the lock, on every platform. This adds what is
 * missing: version as its parent asks for it, `os` and `cpu` as its name says. On machines they are not meant for, npm
 * never asks for these packages.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { isMain, say } from './system.mjs';

const SYSTEMS = ['android', 'darwin', 'freebsd', 'linux', 'openbsd', 'sunos', 'win32'];
const PROCESSORS = ['arm', 'arm64', 'ia32', 'loong64', 'ppc64', 'riscv64', 's390x', 'x64'];

/** The lock's entry for an optional platform package, from its name. */
function platformEntry(name, version) {
  const words = name.split(/[-/]/);
  const pick = (known) => words.filter((word) => known.includes(word));
  const libc = words.includes('musl') ? ['musl'] : undefined;
  return { version, cpu: pick(PROCESSORS), libc, optional: true, os: pick(SYSTEMS) };
}

/** Names and entries that the lock's packages ask for optionally and that it does not hold. */
export function missingPlatforms(lock) {
  const held = new Set(Object.keys(lock.packages).map((path) => path.replace(/^.*node_modules\//, '')));
  const asked = Object.values(lock.packages).flatMap((entry) => Object.entries(entry.optionalDependencies ?? {}));
  return asked
    .filter(([name, version]) => !held.has(name) && /^\d/.test(version))
    .map(([name, version]) => [name, platformEntry(name, version)])
    .filter(([, entry]) => entry.os.length > 0 && entry.cpu.length > 0);
}

if (isMain(import.meta.url)) {
  const path = new URL('../package-lock.json', import.meta.url);
  const lock = JSON.parse(readFileSync(path, 'utf8'));
  const missing = missingPlatforms(lock);
  for (const [name, entry] of missing) lock.packages[`node_modules/${name}`] = entry;
  const sorted = Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en'));
  writeFileSync(path, `${JSON.stringify({ ...lock, packages: Object.fromEntries(sorted) }, null, 2)}\n`);
  if (missing.length > 0) say(`added to package-lock.json: ${missing.map(([name]) => name).join(', ')}`);
}

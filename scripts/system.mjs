/** What the set-up scripts share. Plain Node, no dependencies: they run before node_modules exists. */
import { spawnSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** One line for people, on stderr: stdout belongs to the job's result. */
export const say = (line) => process.stderr.write(`sheaf: ${line}\n`);

/** A shortfall of the machine: what is missing, and what to type to mend it where that is known. */
export class Shortfall extends Error {
  constructor(message, advice) {
    super(message);
    this.name = 'Shortfall';
    this.advice = advice;
  }
}

/** The first of `names` found in PATH, or undefined. */
export function which(...names) {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  return names.find((name) => folders.some((folder) => existsSync(join(folder, name))));
}

/** Runs to the end and returns `{ ok, stdout, stderr, signal }`; never throws. */
export function attempt(command, args, options = {}) {
  const done = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 26, ...options });
  return {
    ok: done.status === 0,
    signal: done.signal,
    stdout: done.stdout ?? '',
    stderr: done.stderr || (done.error?.message ?? ''),
  };
}

/** The last `count` lines that say something. */
export const tail = (text, count = 3) => text.trim().split('\n').slice(-count).join('\n');

/** Installs Debian packages when that needs no question: as root, with apt-get. Returns whether it did. */
export function aptInstall(...packages) {
  if (process.getuid?.() !== 0 || !which('apt-get')) return false;
  say(`installing ${packages.join(', ')} with apt-get`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const install = () => attempt('apt-get', ['install', '-y', '--no-install-recommends', ...packages], { env });
  // A bare image has no package lists: fetch them only when the first try fails.
  const done = install().ok || (attempt('apt-get', ['update'], { env }).ok && install().ok);
  if (!done) say(`apt-get could not install ${packages.join(', ')}`);
  return done;
}

/** What to type to get Debian `packages`, on this machine. */
const installCommand = (packages) =>
  which('apt-get')
    ? `sudo apt-get install -y ${packages.join(' ')}`
    : `install ${packages.join(' and ')} with your package manager`;

/** What `find` finds, if need be after an install of Debian `packages`. @throws Shortfall */
export function need(find, packages, message) {
  const found = find() || (aptInstall(...packages) && find());
  if (!found) throw new Shortfall(message, installCommand(packages));
  return found;
}

/** Whether the module with this `import.meta.url` is what Node was started with. */
export const isMain = (url) => Boolean(process.argv[1]) && realpathSync(process.argv[1]) === fileURLToPath(url);

import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnGuarded } from './guardian.js';

/**
 * Two processes with equal identities run on one machine since the same boot. For tests `SHEAF_TEST_HOSTS=process` lets each
 * process that keeps blocks (driver, executors) be a host of its own.
 */
export function hostIdentity(): string {
  if (process.env.SHEAF_TEST_HOSTS === 'process') return `process-${process.pid}`;
  const bootId = '/proc/sys/kernel/random/boot_id';
  return existsSync(bootId) ? readFileSync(bootId, 'utf8').trim() : hostname();
}

/** Smaller ones (64 MB is a container's default) are left alone. */
const USEFUL_MEMORY_BYTES = 256 * 1024 * 1024;

export interface Scratch {
  /** On /dev/shm where that is large enough, else the same as `disk`. */
  readonly memory: string;
  readonly disk: string;
  remove(): void;
}

/**
 * Fresh directories for this process, gone with it however it ends: each has a guardian whose child only waits. The
 * guardian comes first: a process killed between two lines must not leave a directory that nobody knows of.
 */
export function scratchDirectories(name: string): Scratch {
  const disk = freshPath(tmpdir(), name);
  const memory = roomInMemory() ? freshPath('/dev/shm', name) : disk;
  const guardians = [...new Set([memory, disk])].map((directory) => {
    const child = spawnGuarded('tail', ['-f', '/dev/null'], { name: `scratch-${name}`, directory, stdout: 'ignore' });
    child.unref();
    mkdirSync(directory, { mode: 0o700 });
    return child;
  });
  return {
    memory,
    disk,
    remove() {
      for (const directory of [memory, disk]) rmSync(directory, { recursive: true, force: true });
      for (const guardian of guardians) void guardian.kill(0);
    },
  };
}

/** A path that nobody has and nobody can guess. */
export function freshPath(parent: string, name: string): string {
  return join(parent, `sheaf-${name}-${randomBytes(8).toString('hex')}`);
}

function roomInMemory(): boolean {
  if (!existsSync('/dev/shm')) return false;
  const { bavail, bsize } = statfsSync('/dev/shm');
  return bavail * bsize >= USEFUL_MEMORY_BYTES;
}

import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const MARK = 'SHEAF_TEST_MARK';

export interface MarkedProcess {
  readonly pid: number;
  readonly command: readonly string[];
  readonly environment: ReadonlyMap<string, string>;
}

/**
 * What a run leaves in the system: every process it starts inherits a mark in its environment, every directory it makes
 * in the temporary directory lies below one of its own, and those on /dev/shm are named by their guardians' commands.
 */
export class Footprint {
  readonly mark = randomBytes(8).toString('hex');
  readonly directory = mkdtempSync(join(tmpdir(), 'sheaf-test-'));
  readonly #seen = new Set<string>();

  /** Environment of the run's first process. */
  get environment(): Record<string, string> {
    return { [MARK]: this.mark, TMPDIR: this.directory, SHEAF_EVENTLOG_ENABLED: 'false' };
  }

  processes(): MarkedProcess[] {
    const found = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
      .flatMap((name) => {
        try {
          const read = (file: string) => readFileSync(`/proc/${name}/${file}`, 'utf8').split('\0');
          const environment = new Map(read('environ').map((line) => split(line)));
          return [{ pid: Number(name), command: read('cmdline'), environment }];
        } catch {
          return []; // it has ended
        }
      })
      .filter(({ environment }) => environment.get(MARK) === this.mark);
    for (const { command } of found) {
      const guardian = command.findIndex((word) => word.startsWith('sheaf-guardian:'));
      const directory = guardian < 0 ? undefined : command[guardian + 1];
      if (directory?.startsWith('/')) this.#seen.add(directory);
    }
    return found;
  }

  slots(): MarkedProcess[] {
    return this.#running('slot-main.js');
  }

  services(): MarkedProcess[] {
    return this.#running('service-main.js');
  }

  /** Without the guardians, whose command ends with the child's. */
  #running(module: string): MarkedProcess[] {
    return this.processes().filter(
      ({ command }) =>
        !command.some((word) => word.startsWith('sheaf-guardian:')) && command.some((word) => word.endsWith(module)),
    );
  }

  /** Files below the run's directories, each by its path there. */
  files(): string[] {
    this.processes();
    const below = (directory: string): string[] => {
      try {
        return readdirSync(directory, { recursive: true, encoding: 'utf8' });
      } catch {
        return []; // it has just been removed
      }
    };
    return [...this.#seen].flatMap(below);
  }

  /** Files and directories that are still there. */
  leftovers(): string[] {
    return [
      ...this.processes().map(({ pid, command }) => `process ${pid}: ${command.join(' ').slice(0, 200)}`),
      ...[...this.#seen].filter((directory) => existsSync(directory)),
      ...readdirSync(this.directory).filter((name) => name.startsWith('sheaf-')),
    ];
  }

  /** Waits until nothing of the run is left, at most so long. @returns what is still there */
  async gone(withinMs: number): Promise<string[]> {
    const end = Date.now() + withinMs;
    for (;;) {
      const left = this.leftovers();
      if (left.length === 0 || Date.now() > end) return left;
      await sleep(20);
    }
  }

  /** Ends whatever a failed test left, guardians too, and removes the directories. */
  remove(): void {
    for (const { pid } of this.processes()) kill(pid);
    for (const directory of this.#seen) rmSync(directory, { recursive: true, force: true });
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export function kill(pid: number, signal: NodeJS.Signals = 'SIGKILL'): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended.
  }
}

function split(line: string): [string, string] {
  const at = line.indexOf('=');
  return [line.slice(0, at), line.slice(at + 1)];
}

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

const SAMPLE_MS = 100;

/**
 * Samples what a process and all below it hold until the returned function is called, which answers with the peak in
 * bytes: proportional set sizes (shared pages are divided among their users) and the files in /dev/shm that their
 * command lines name, which are memory too but mapped by nobody.
 */
export function watchMemory(root: number): () => number {
  let peak = 0;
  const sample = () => {
    peak = Math.max(peak, treeBytes(root));
  };
  sample();
  const timer = setInterval(sample, SAMPLE_MS);
  return () => {
    clearInterval(timer);
    sample();
    return peak;
  };
}

function treeBytes(root: number): number {
  let bytes = 0;
  const directories = new Set<string>();
  for (const pid of treeOf(root)) {
    const [, kilobytes = '0'] = /^Pss:\s+(\d+) kB/m.exec(read(`/proc/${pid}/smaps_rollup`)) ?? [];
    bytes += Number(kilobytes) * 1024;
    for (const word of read(`/proc/${pid}/cmdline`).split('\0'))
      for (const [path] of word.matchAll(/\/dev\/shm\/[\w.-]+/g)) directories.add(path);
  }
  for (const directory of directories) bytes += fileBytes(directory);
  return bytes;
}

/** Clock ticks of `/proc/<pid>/stat` a second: 100 on every Linux that Node runs on. */
const TICKS = 100;

/** Milliseconds of processor time that a process, all below it now and those they waited for have used. */
export function processorMs(root: number): number {
  let ticks = 0;
  // After the state come 10 other fields, then utime, stime, cutime and cstime.
  for (const pid of treeOf(root)) for (const field of statOf(pid).slice(11, 15)) ticks += Number(field);
  return (ticks * 1000) / TICKS;
}

/** A process and its descendants now. */
export function treeOf(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = Number(statOf(name)[1]);
    const siblings = children.get(parent);
    if (siblings) siblings.push(Number(name));
    else children.set(parent, [Number(name)]);
  }
  const tree = [root];
  for (const pid of tree) tree.push(...(children.get(pid) ?? []));
  return tree;
}

/** The fields from the state on of "pid (name) state parent …"; the name may hold spaces and brackets. */
function statOf(pid: number | string): string[] {
  const stat = read(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ', 15);
}

function fileBytes(path: string): number {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat?.isDirectory()) return stat ? stat.blocks * 512 : 0;
  return attempt(() => readdirSync(path), []).reduce((sum, name) => sum + fileBytes(join(path, name)), 0);
}

/** Processes and files end while they are looked at. */
function attempt<T>(look: () => T, otherwise: T): T {
  try {
    return look();
  } catch {
    return otherwise;
  }
}

function read(path: string): string {
  return attempt(() => readFileSync(path, 'latin1'), '');
}

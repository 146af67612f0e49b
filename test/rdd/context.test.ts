import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventBus, filePath, SheafContext } from 'sheaf';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

const QUIET = { 'sheaf.eventLog.enabled': 'false' };
let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'sheaf-context-'));
  mkdirSync(join(directory, 'tmp'));
  process.env.TMPDIR = join(directory, 'tmp');
  writeFileSync(join(directory, 'words.txt'), 'alpha beta');
  writeFileSync(join(directory, 'numbers.json'), '[1, 2, 3]');
});
afterAll(() => {
  delete process.env.TMPDIR;
  rmSync(directory, { recursive: true });
});

/** What an application may leave: directories below the (private) temporary directory, and processes below this one. */
function remains(): string[] {
  return [...readdirSync(join(directory, 'tmp')), ...children()];
}

const nothing = () => expect.poll(remains, { timeout: 20_000 }).toEqual([]);

function children(): string[] {
  const tasks = `/proc/${process.pid}/task`;
  if (!existsSync(tasks)) return [];
  return readdirSync(tasks)
    .flatMap((task) => readFileSync(`${tasks}/${task}/children`, 'utf8').split(' '))
    .filter((pid) => pid !== '')
    .map(command)
    .filter((text) => /tail|slot-main|sheaf/.test(text));
}

function command(pid: string): string {
  return existsSync(`/proc/${pid}/cmdline`) ? readFileSync(`/proc/${pid}/cmdline`, 'utf8') : '';
}

describe('sheaf.files', () => {
  let sc: SheafContext | undefined;
  afterEach(() => sc?.stop());

  it('are read by name in tasks and in the driver, and are gone from the slots afterwards', async () => {
    const files = ['words.txt', 'numbers.json'].map((name) => join(directory, name));
    sc = await SheafContext.create({ master: 'local[2]', conf: { ...QUIET, 'sheaf.files': files.join(',') } });
    expect(filePath('words.txt')).toBe(files[0]);
    const read = await sc
      .parallelize(['words.txt', 'numbers.json', 'words.txt'], 3)
      .map((name) => ({ text: readFileSync(filePath(name), 'utf8'), path: filePath(name) }))
      .collect();
    expect(read.map(({ text }) => text)).toEqual(['alpha beta', '[1, 2, 3]', 'alpha beta']);
    for (const { path } of read) expect(files).not.toContain(path);
    await expect(
      sc
        .range(0, 1)
        .map(() => filePath('other.txt'))
        .collect(),
    ).rejects.toThrow(
      /filePath: there is no file "other\.txt"; the files are words\.txt, numbers\.json .*\(in map at context\.test\.ts:\d+\)/,
    );
    await sc.stop();
    for (const { path } of read) expect(existsSync(path)).toBe(false);
    expect(() => filePath('words.txt')).toThrow('no SheafContext is there yet');
    await nothing();
  });
});

describe('a context that cannot be made', () => {
  it.each([
    ['a missing file', { 'sheaf.files': '/nowhere/at/all.txt' }, /sheaf\.files: \/nowhere\/at\/all\.txt is missing/],
    ['an unknown setting', { 'sheaf.partition': '4' }, /there is no setting "sheaf\.partition"/],
    ['a bad setting', { 'sheaf.partitions': 'many' }, /sheaf\.partitions must be auto or a whole number/],
    ['no such master', { 'sheaf.master': 'yarn' }, /"yarn" is no master/],
    ['no secret', { 'sheaf.master': 'redis://127.0.0.1:1' }, /set SHEAF_SECRET/],
  ])('says why, and leaves nothing behind: %s', async (_, conf, message) => {
    await expect(SheafContext.create({ conf: { ...QUIET, ...conf } })).rejects.toThrow(message);
    await nothing();
  });

  it('is made all the same when the event log cannot be written', async () => {
    const bus = new EventBus();
    const warnings: string[] = [];
    bus.listen((event) => event.event === 'warning' && warnings.push(event.message));
    const conf = { ...QUIET, 'sheaf.eventLog.enabled': 'true', 'sheaf.eventLog.dir': '/dev/null/x' };
    const sc = await SheafContext.create({ master: 'local[1]', conf, bus });
    expect(await sc.range(0, 3).count()).toBe(3);
    await sc.stop();
    expect(warnings.join()).toContain('ENOTDIR');
    await nothing();
  });

  it('says which Redis cannot be reached, without its password, and leaves nothing behind', async () => {
    process.env.SHEAF_SECRET = 'secret-of-the-cluster';
    try {
      const creating = SheafContext.create({ master: 'redis://:hidden@127.0.0.1:1', conf: QUIET });
      const error: Error = await creating.then(
        () => expect.fail('there is a Redis'),
        (thrown) => thrown,
      );
      expect(error.message).toContain('127.0.0.1:1');
      expect(error.message).not.toMatch(/hidden|secret-of/);
    } finally {
      delete process.env.SHEAF_SECRET;
    }
    await nothing();
  });
});

describe('a stopped context', () => {
  it('refuses jobs at once, stops once, and leaves nothing behind', async () => {
    const sc = await SheafContext.create({ master: 'local[1]', conf: QUIET });
    const rdd = sc.range(0, 3).cache();
    expect(await rdd.count()).toBe(3);
    await Promise.all([sc.stop(), sc.stop()]);
    await expect(rdd.count()).rejects.toThrow('the SheafContext has been stopped');
    await expect(rdd.take(1)).rejects.toThrow('the SheafContext has been stopped');
    await nothing();
  });

  it('ends the jobs that run', async () => {
    const sc = await SheafContext.create({ master: 'local[1]', conf: QUIET });
    const forever = sc.range(0, 1).foreach(() => new Promise(() => {}) as any);
    const sleeping = sc.range(0, 1).foreach(async () => {
      await new Promise(() => {});
    });
    const ends = Promise.allSettled([forever, sleeping]);
    await sc.range(0, 1, 1, 1).getNumPartitions();
    await sc.stop();
    for (const { status } of await ends) expect(status).toBe('rejected');
  });
});

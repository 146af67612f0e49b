import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LocalOutput } from './local-output.js';
import type { WrittenPart } from './output.js';
import { openStorage } from './storage.js';

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sheaf-output-'));
  path = join(directory, 'table');
});
afterEach(() => rmSync(directory, { recursive: true }));

let saves = 0;
const open = (overwrite = false) => new LocalOutput({ path, save: `save-${saves++}`, overwrite, storage: {} });

async function write(output: LocalOutput, name: string, text: string): Promise<WrittenPart> {
  const part = await output.create(name);
  await part.write(Buffer.from(text));
  return part.close();
}

function contents(): Record<string, string> {
  const names = readdirSync(path).filter((name) => name !== '_temporary');
  return Object.fromEntries(names.sort().map((name) => [name, readFileSync(join(path, name), 'utf8')]));
}

async function saved(parts: Record<string, string>): Promise<void> {
  const output = open(true);
  await output.begin();
  await output.commit(await Promise.all(Object.entries(parts).map(([name, text]) => write(output, name, text))));
}

describe('a local output', () => {
  it('makes the directories on the way, and takes its own away again', async () => {
    path = join(directory, 'a', 'b', 'table');
    const output = open();
    await output.begin();
    expect(existsSync(path)).toBe(true);
    await output.abort();
    expect(existsSync(path)).toBe(false);
  });

  it('says where the system has no room for directories', async () => {
    path = '/proc/sheaf/table';
    await expect(open().begin()).rejects.toThrow('/proc/sheaf: no directory can be made here');
  });

  it('shows the parts of the tasks that won, and no others', async () => {
    const output = open();
    await output.begin();
    await write(output, 'part-0', 'of a task that ran twice');
    const winner = await write(output, 'part-0', 'a');
    const other = await write(output, 'part-1', 'b');
    await (await output.create('part-2')).abort();
    expect(contents()).toEqual({});
    await output.commit([winner, other]);
    expect(contents()).toEqual({ _SUCCESS: '', 'part-0': 'a', 'part-1': 'b' });
    expect(existsSync(join(path, '_temporary'))).toBe(false);
  });

  it('is undone when a part is gone, or not what its task wrote', async () => {
    await saved({ 'part-0': 'old' });
    const output = open(true);
    await output.begin();
    const part = await write(output, 'part-0', 'new');
    await expect(output.commit([part, { name: 'part-1', id: 'lost', bytes: 1 }])).rejects.toThrow(
      'the driver does not see it',
    );
    await expect(output.commit([{ ...part, bytes: 9 }])).rejects.toThrow('it has 3 bytes instead of 9');
    await output.abort();
    expect(contents()).toEqual({ _SUCCESS: '', 'part-0': 'old' });
  });

  it('is undone when a file cannot be moved', async () => {
    await saved({ 'part-0': 'old', 'part-1': 'old too' });
    const output = open(true);
    await output.begin();
    const parts = [await write(output, 'part-0', 'new'), await write(output, 'no/such/folder'.slice(0, 2), 'x')];
    await expect(output.commit([parts[0]!, { ...parts[1]!, name: 'no/such/folder' }])).rejects.toThrow('ENOENT');
    await output.abort();
    expect(contents()).toEqual({ _SUCCESS: '', 'part-0': 'old', 'part-1': 'old too' });
  });

  it('removes only the directories it made when its job fails', async () => {
    const fresh = open();
    await fresh.begin();
    await fresh.abort();
    expect(existsSync(path)).toBe(false);
    mkdirSync(path);
    const given = open();
    await given.begin();
    await given.abort();
    expect(readdirSync(path)).toEqual([]);
  });

  it('takes no part after its end', async () => {
    const output = open();
    await output.begin();
    await output.abort();
    await expect(output.create('part-0')).rejects.toThrow(
      `another save to ${path} has begun, or this host does not see it`,
    );
    expect(existsSync(path)).toBe(false);
  });
});

describe('a driver that was killed', () => {
  /** What a commit has done at each moment at which it may be cut short, and what must be there after the next `begin`. */
  const old = { _SUCCESS: '', 'part-0': 'old', 'part-1': 'old' };
  const moments: [string, (save: string) => void, Record<string, string>, boolean][] = [
    ['while tasks wrote', (save) => writeFileSync(join(save, 'part-0.x'), 'new'), old, false],
    [
      'while the old files were moved out',
      (save) => {
        mkdirSync(join(save, 'replaced'));
        move('_SUCCESS', save);
        move('part-0', save);
      },
      old,
      true,
    ],
    [
      'while the new ones were moved in',
      (save) => {
        mkdirSync(join(save, 'replaced'));
        for (const name of Object.keys(old)) move(name, save);
        writeFileSync(join(save, 'committing'), JSON.stringify(['part-0', 'part-1', 'part-2']));
        writeFileSync(join(path, 'part-0'), 'new');
        writeFileSync(join(path, 'part-2'), 'new');
      },
      old,
      true,
    ],
    [
      'when all was shown',
      (save) => {
        mkdirSync(join(save, 'replaced'));
        for (const name of Object.keys(old)) move(name, save);
        writeFileSync(join(save, 'committing'), JSON.stringify(['part-0']));
        writeFileSync(join(path, 'part-0'), 'new');
        writeFileSync(join(path, '_SUCCESS'), '');
      },
      { _SUCCESS: '', 'part-0': 'new' },
      false,
    ],
  ];
  const move = (name: string, save: string) => {
    writeFileSync(join(save, 'replaced', name), readFileSync(join(path, name)));
    rmSync(join(path, name));
  };

  it.each(moments)('%s', async (_when, happen, expected, unreadable) => {
    await saved({ 'part-0': 'old', 'part-1': 'old' });
    const save = join(path, '_temporary', 'killed');
    mkdirSync(save, { recursive: true });
    happen(save);
    const listing = openStorage().list([path], /./);
    if (unreadable) await expect(listing).rejects.toThrow(`${path}: a save into it was cut short`);
    else
      expect((await listing).map((file) => file.path.slice(path.length + 1))).toEqual(Object.keys(expected).slice(1));
    // The next save, which is refused, or not, by what was there before.
    await expect(open().begin()).rejects.toThrow('exists already');
    expect(contents()).toEqual(expected);
    expect(existsSync(join(path, '_temporary'))).toBe(false);
    await saved({ 'part-0': 'newest' });
    expect(contents()).toEqual({ _SUCCESS: '', 'part-0': 'newest' });
  });
});

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SheafContext } from 'sheaf';
import { afterAll, beforeAll, expect, it } from 'vitest';

let sc: SheafContext;
let directory: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sheaf-sources-'));
  sc = await SheafContext.create({ master: 'local[2]', conf: { 'sheaf.eventLog.enabled': 'false' } });
});
afterAll(async () => {
  await sc.stop();
  rmSync(directory, { recursive: true });
});

it('reads more files in one partition than fit into a message', async () => {
  // Long paths do what many more files would: the list is of 1.2 MB, a message of 1 MiB at most.
  const folder = join(directory, 'f'.repeat(240));
  mkdirSync(folder);
  for (let k = 0; k < 3500; k++) writeFileSync(join(folder, `${k}.txt`), `${k}\n`);
  expect(
    await sc
      .textFile(folder, 1)
      .map(Number)
      .reduce((a, b) => a + b),
  ).toBe((3500 * 3499) / 2);
});

it('keeps the scratch files of cut CSV files in the directory of the slot, which goes with it', async () => {
  const marker = `piece-${process.pid}`;
  const path = join(directory, 'cut.csv');
  writeFileSync(path, `text\n${`${marker}\n`.repeat(5000)}`);
  const elsewhere = (folder: string) => {
    const pieces = readdirSync(folder).filter((name) => name.startsWith('csv-'));
    const contents = pieces.map((name) => {
      try {
        return readFileSync(join(folder, name, 'piece.csv'), 'utf8');
      } catch {
        return ''; // another process's, gone meanwhile
      }
    });
    return contents.filter((text) => text.includes(marker)).length;
  };
  const batches = sc.csv(path, { columns: { text: 'utf8' }, unitBytes: 20_000, batch: 1000 }, 2);
  // While a batch is handed on, its piece is being read.
  const here = batches.mapBatches((batch) => (elsewhere(tmpdir()) > 0 ? batch : []));
  expect([await batches.count(), await here.count()]).toEqual([5000, 0]);
});

import { appendFileSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SheafContext } from 'sheaf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let sc: SheafContext;
let directory: string;

beforeAll(async () => {
  sc = await SheafContext.create({ master: 'local[2]', conf: { 'sheaf.eventLog.enabled': 'false' } });
  directory = realpathSync(mkdtempSync(join(tmpdir(), 'sheaf-pipe-')));
});
afterAll(async () => {
  await sc.stop();
  rmSync(directory, { recursive: true });
});

describe('pipe', () => {
  it('sends rows as lines and takes lines as rows, partition by partition', async () => {
    expect(await sc.range(0, 6, 1, 3).pipe('cat').glom().collect()).toEqual([
      ['0', '1'],
      ['2', '3'],
      ['4', '5'],
    ]);
    expect(await sc.parallelize(['b b', null, 'ö'], 1).pipe('cat').collect()).toEqual(['b b', 'null', 'ö']);
    expect(await sc.range(0, 6, 1, 2).pipe('  wc -l ').map(Number).collect()).toEqual([3, 3]);
    expect(await sc.parallelize([], 2).pipe('cat').collect()).toEqual([]);
  });

  it('gives the program arguments as they are, an environment and a directory', async () => {
    const [line] = await sc
      .parallelize(['x'], 1)
      .pipe(['sh', '-c', 'read row; echo "$row|$GREETING|$(pwd)|$0"', 'a  b'], {
        env: { GREETING: 'hi  you' },
        cwd: directory,
      })
      .collect();
    expect(line).toBe(`x|hi  you|${directory}|a  b`);
  });

  it('streams more than any buffer holds, both ways', async () => {
    const rows = sc.range(0, 300_000, 1, 2).map((x) => `${x} ${'.'.repeat(20)}`);
    expect(
      await rows
        .pipe('cat')
        .map((line) => Number(line.split(' ')[0]))
        .sum(),
    ).toBe((299_999 * 300_000) / 2);
  });

  it('lets a program read less than all, and a reader take less than all', async () => {
    expect(await sc.range(0, 200_000, 1, 1).pipe(['head', '-n', '2']).collect()).toEqual(['0', '1']);
    expect(await sc.parallelize([1], 1).pipe('yes').take(2)).toEqual(['y', 'y']);
  });

  it('says what went wrong', async () => {
    const rows = sc.range(0, 3, 1, 1);
    await expect(rows.pipe(['sh', '-c', 'cat; echo not today >&2; exit 3']).collect()).rejects.toThrow(
      /pipe at pipe\.test\.ts:\d+: the command "sh -c .*" ended with exit code 3:\nnot today/s,
    );
    await expect(rows.pipe('no-such-program').collect()).rejects.toThrow(/"no-such-program" was not found/);
    await expect(rows.pipe(['sh', '-c', 'kill -9 $$']).collect()).rejects.toThrow(/was ended by SIGKILL/);
    const failing = rows.map((x) => {
      if (x === 1) throw new Error('boom');
      return x;
    });
    await expect(failing.pipe('cat').collect()).rejects.toThrow('boom');
    expect(() => rows.pipe('')).toThrow('pipe needs a command');
    expect(() => rows.pipe('cat', { env: { A: 1 as any } })).toThrow('env of pipe');
  });
});

describe('foreachPartition', () => {
  it('calls the function once a partition, async functions too', async () => {
    const file = join(directory, 'sums');
    await sc.range(0, 10, 1, 2).foreachPartition((rows) => appendFileSync(file, `${[...rows].length}\n`));
    await sc.range(0, 6, 1, 3).foreachPartition(async (rows) => {
      await null;
      appendFileSync(file, `${[...rows].length}\n`);
    });
    const lines = readFileSync(file, 'utf8').trim().split('\n');
    expect(lines.sort()).toEqual(['2', '2', '2', '5', '5']);
  });

  it('names itself in errors', async () => {
    const boom = () => {
      throw new Error('boom');
    };
    await expect(sc.range(0, 3).foreachPartition(boom)).rejects.toThrow(/boom \(in foreachPartition at pipe\.test/);
    await expect(sc.range(0, 3).foreachPartition(() => Promise.resolve())).rejects.toThrow(
      /foreachPartition at .* returned a promise: declare it "async"/,
    );
  });
});

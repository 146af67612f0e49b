import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startPrivateRedis } from '../../src/scheduler/redis-server.js';
import { Footprint, kill } from '../support/footprint.js';
import { root, SheafProcess, sheaf } from '../support/sheaf.js';

const ENDINGS = `${root}test/jobs/endings.ts`;
let directory: string;
let footprint: Footprint;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'messages-test-'));
  footprint = new Footprint();
});
afterAll(() => {
  footprint.remove();
  rmSync(directory, { recursive: true, force: true });
});

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

function submit(args: readonly string[], environment: Record<string, string> = {}) {
  return sheaf(['submit', ...args], { ...footprint.environment, SHEAF_MASTER: undefined, ...environment });
}

describe('an error of user code', () => {
  const job = () =>
    file(
      'throwing.ts',
      `import type { SheafContext } from 'sheaf';

interface Reading { value: number }

function scale(reading: Reading): number {
  if (reading.value === 3) throw new RangeError('3 is too much');
  return reading.value * 2;
}

export default async function main(sc: SheafContext) {
  const readings = sc.parallelize([0, 1, 2, 3].map((value) => ({ value })), 2);
  return readings
    .map((reading) => scale(reading))
    .filter((value) => value >= 0)
    .collect();
}
`,
    );

  test('shows its stack in lines of the .ts file, the partition and where the operator was called', async () => {
    const { code, stdout, stderr } = await submit(['--master', 'local[2]', job()]);
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toContain('RangeError: 3 is too much');
    expect(stderr).toMatch(/collect at throwing\.ts:15 failed in partition 1 of ".* at throwing\.ts:1[34]"/);
    expect(stderr).toMatch(/at scale \(.*throwing\.ts:6:\d+\)/);
    expect(stderr).toMatch(/at .*throwing\.ts:13:\d+/);
    expect(stderr).not.toMatch(/node:internal|\/dist\//);
  });

  test('in main itself does too', async () => {
    const { code, stderr } = await submit(['--master', 'local[1]', ENDINGS, 'throw']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/TypeError: the job itself is wrong\n\s+at .*endings\.ts:\d+:\d+/);
  });
});

describe('what cannot be started', () => {
  const job = () => file('fine.ts', 'export default async (sc: any) => sc.range(0, 10).count();');
  const refused = async (args: readonly string[], environment?: Record<string, string>) => {
    const { code, stdout, stderr } = await submit(args, environment);
    expect(code, stderr).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).not.toMatch(/^\s+at .*\/(dist|src)\//m);
    return stderr;
  };

  test('a job file that is not there', async () => {
    expect(await refused([join(directory, 'absent.ts')])).toMatch(/there is no file .*absent\.ts/);
  });

  test('a job without main', async () => {
    const path = file('nothing.ts', 'export const main = 1;');
    expect(await refused([path])).toMatch(/nothing\.ts has no default export main\(sc, args\)/);
  });

  test('a syntax error, by file and line', async () => {
    const path = file('wrong.ts', 'export default async () => {\n  const x = ;\n};\n');
    expect(await refused([path])).toMatch(/wrong\.ts:2:\d+/);
  });

  test('a setting that is not known, or has a bad value', async () => {
    expect(await refused(['--conf', 'sheaf.partition=8', job()])).toMatch(
      /no setting "sheaf.partition".*sheaf\.partitions/,
    );
    expect(await refused(['--conf', 'sheaf.partitions=many', job()])).toMatch(/sheaf\.partitions must be .*"many"/);
    const { code, stderr } = await submit(['--conf', 'sheaf.partitions', job()]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/key=value/)]);
  });

  test('a properties file with a bad line, or that is not there', async () => {
    const properties = file('bad.conf', '# fine\nsheaf.partitions 4\nnonsense\n');
    expect(await refused(['--properties-file', properties, job()])).toMatch(/bad\.conf:3: "nonsense"/);
    expect(await refused(['--properties-file', join(directory, 'absent.conf'), job()])).toMatch(/absent\.conf/);
  });

  test('a master that is none', async () => {
    expect(await refused(['--master', 'yarn', job()])).toMatch(/"yarn" is no master; use local, local\[N\]/);
  });

  test('an unknown option or deploy mode', async () => {
    expect((await submit(['--mastre', 'local', job()])).code).toBe(2);
    expect(await refused(['--deploy-mode', 'cluster', job()])).toMatch(/--deploy-mode cluster is not known/);
  });

  test('a Redis that cannot be reached: its address, never its password', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    const url = `redis://:hunter2@127.0.0.1:${port}`;
    const said = await refused(['--master', url, job()], { SHEAF_SECRET: 's' });
    expect(said).toContain(`127.0.0.1:${port}`);
    expect(said).not.toContain('hunter2');
    const executor = await sheaf(['executor', '--master', url], { ...footprint.environment, SHEAF_SECRET: 's' });
    expect(executor.code).toBe(1);
    expect(executor.stderr).toContain(`127.0.0.1:${port}`);
    expect(executor.stderr).not.toContain('hunter2');
  });

  test('a redis:// master without the secret', async () => {
    const said = await refused(['--master', 'redis://localhost', job()], { SHEAF_SECRET: '' });
    expect(said).toMatch(/set SHEAF_SECRET to the same value for driver and executors/);
    const executor = await sheaf(['executor', '--master', 'redis://localhost'], { SHEAF_SECRET: '' });
    expect([executor.code, executor.stderr]).toEqual([1, expect.stringMatching(/SHEAF_SECRET/)]);
  });

  test('an executor with a bad option', async () => {
    const environment = { ...footprint.environment, SHEAF_SECRET: 's' };
    const slots = await sheaf(['executor', '--master', 'redis://localhost', '--slots', 'two'], environment);
    expect([slots.code, slots.stderr]).toEqual([1, expect.stringMatching(/--slots must be .*"two"/)]);
    const lease = await sheaf(['executor', '--master', 'redis://localhost'], {
      ...environment,
      SHEAF_EXECUTOR_LEASEMS: 'soon',
    });
    expect([lease.code, lease.stderr]).toEqual([1, expect.stringMatching(/leaseMs must be .*"soon"/)]);
    const master = await sheaf(['executor', '--master', 'local[2]'], environment);
    expect([master.code, master.stderr]).toEqual([1, expect.stringMatching(/redis:\/\/HOST:PORT/)]);
  });

  test('a Redis that may throw keys away', async () => {
    const redis = await startPrivateRedis();
    const { connectRedis } = await import('../../src/scheduler/queue/connection.js');
    const client = await connectRedis(redis.url);
    await client.config('SET', 'maxmemory-policy', 'allkeys-lru');
    client.disconnect();
    const said = await refused(['--master', redis.url, job()], { SHEAF_SECRET: 's' });
    expect(said).toMatch(/eviction policy allkeys-lru.*noeviction/);
    await redis.stop();
  });

  test('a master with no executor, after the time it may take', async () => {
    const redis = await startPrivateRedis();
    const said = await refused(['--master', redis.url, '--conf', 'sheaf.executor.waitMs=300', job()], {
      SHEAF_SECRET: 's',
    });
    expect(said).toMatch(/no executor joined within 0\.3 s: start one with "sheaf executor --master URL"/);
    await redis.stop();
  });

  test('a master whose executors have another secret, without a wait for others', async () => {
    const redis = await startPrivateRedis();
    const environment = { ...footprint.environment, SHEAF_MASTER: redis.url };
    const executor = new SheafProcess(['executor', '--slots', '1'], { ...environment, SHEAF_SECRET: 'theirs-0123' });
    await executor.says('joined');
    const patient = ['--conf', 'sheaf.executor.waitMs=600000'];
    const said = await refused([...patient, job()], { SHEAF_MASTER: redis.url, SHEAF_SECRET: 'ours-4567' });
    expect(said).toMatch(/the secrets of driver and executors? differ.*SHEAF_SECRET/);
    expect(said).not.toMatch(/theirs-0123|ours-4567/);
    kill(executor.pid, 'SIGTERM');
    await executor.finished;
    await redis.stop();
  });
});

describe('output', () => {
  test('--json is one line on stdout; what user code prints goes to stderr, labelled', async () => {
    const { code, stdout, stderr } = await submit(['--json', '--master', 'local[2]', ENDINGS, 'print']);
    expect(code).toBe(0);
    expect(stdout).toBe('{"rows":4}\n');
    expect(stderr).toContain('[job] main prints\n');
    expect(stderr).toMatch(/\[task \d+\.2\] task prints 2\n/);
  });

  test('a result that is no JSON is an error of the job', async () => {
    const path = file('circle.ts', 'export default async () => { const a: any = {}; a.a = a; return a; };');
    const { code, stdout, stderr } = await submit(['--json', '--master', 'local[1]', path]);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/the job's result cannot be written as JSON/);
  });
});

describe('settings', () => {
  test('code, then flags, then the properties file, then the environment', async () => {
    const job = (conf: string) => `
      ${conf}
      export default async (sc: any) => [sc.conf.get('sheaf.app.name'), await sc.csv('${directory}/rows.csv').getNumPartitions()];`;
    file('rows.csv', `x\n${Array.from({ length: 50 }, (_, i) => i).join('\n')}\n`);
    const plain = file('settings.ts', job(''));
    const insisting = file('insisting.ts', job("export const conf = { 'sheaf.app.name': 'code' };"));
    const properties = file('sheaf.conf', 'sheaf.app.name file\n');
    const environment = { SHEAF_APP_NAME: 'environment', SHEAF_PARTITIONS: '1' };
    const name = async (args: string[]) => {
      const { stdout, stderr } = await submit(['--json', '--master', 'local[1]', ...args], environment);
      expect(stdout, stderr).not.toBe('');
      return JSON.parse(stdout)[0];
    };
    const [code, flag, fromFile, fallback] = await Promise.all([
      name(['--name', 'flag', '--properties-file', properties, insisting]),
      name(['--name', 'flag', '--properties-file', properties, plain]),
      name(['--properties-file', properties, plain]),
      name([plain]),
    ]);
    expect({ code, flag, fromFile, fallback }).toEqual({
      ...{ code: 'code', flag: 'flag', fromFile: 'file', fallback: 'environment' },
    });
  });
});

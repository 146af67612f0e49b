import { execFileSync } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import { nativeState } from '../mlp/native.js';
import { entryPoint } from '../protocol/entry.js';
import { newlyNeeded, noteNeeded, warmStart } from './warm-start.js';

it('tells each module once', () => {
  noteNeeded('rdd/stage-program');
  noteNeeded('mlp/load-shard');
  expect(newlyNeeded()).toEqual(['rdd/stage-program', 'mlp/load-shard']);
  noteNeeded('rdd/stage-program');
  expect(newlyNeeded()).toEqual([]);
  noteNeeded('mlp/train-program');
  expect(newlyNeeded()).toEqual(['mlp/train-program']);
});

it('leaves what cannot be loaded to the task that needs it', async () => {
  await warmStart(['no/such-module']);
});

it.runIf(nativeState().installed)('loads TensorFlow for who needed it', () => {
  const program = `
    const { newlyNeeded, warmStart } = await import('${pathToFileURL(entryPoint('executor/warm-start.js'))}');
    await warmStart(['no/such-module', 'mlp/tensorflow-backend']);
    const libraries = process.report.getReport().sharedObjects.filter((path) => /tfjs_binding/.test(path));
    console.log(JSON.stringify([newlyNeeded(), libraries.length]));`;
  const output = execFileSync(process.execPath, ['--input-type=module', '--eval', program], {
    env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '2' },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  expect(JSON.parse(output.toString())).toEqual([['mlp/tensorflow-backend'], 1]);
});

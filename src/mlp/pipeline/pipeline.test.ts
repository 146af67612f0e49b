import { expect, it } from 'vitest';
import { EXAMPLE_MODELS } from '../testing/example-models.js';

const model = EXAMPLE_MODELS['pipeline of scalers']();

it('no rows have no predictions', async () => {
  expect(await model.predict([])).toEqual([]);
  expect(await model.predictProba([])).toEqual([]);
});

it('arrays do not tell columns to assemble', async () => {
  const row = { a: 0.5, b: -2.5, c: 1000, d: 0 };
  for (const bare of [Object.values(row), Float32Array.from(Object.values(row))])
    await expect(model.predict([row, bare])).rejects.toThrow(
      'predict: row 2 is an array, and the first stage assembles columns: give objects of a, b, c, d',
    );
});

import { BASE_PACKAGES, RABBIT_PACKAGES, SERVER_PACKAGES } from './base.ts';
import { cachedDebs, requireDebian, Unavailable } from './debs.ts';

/** Before the tests, which run side by side and would each download all of them. Why that cannot be, they tell themselves. */
try {
  await requireDebian(process.env);
  await cachedDebs([...SERVER_PACKAGES, ...BASE_PACKAGES, ...RABBIT_PACKAGES], process.env);
} catch (error) {
  if (!(error instanceof Unavailable)) throw error;
  console.error(error.message);
}

/** What the victim of the kill test writes: about 9 MB, with a secret at unforeseen places. */
export const victimSecret = 'victims-secret-word';

export const sourceOfVictim = Buffer.from(
  Array.from({ length: 240_000 }, (_, index) =>
    index % 11 === 0
      ? `${index} token=${victimSecret} and more\n`
      : `${index} not ok ${(index * 7_919) % 10_007} # some test\n`,
  ).join(''),
);

export const maskedSource = Buffer.from(sourceOfVictim.toString().replaceAll(victimSecret, '***'));

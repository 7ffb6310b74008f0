import type { NewRepository } from '../standins/github/actions/repositories.ts';

/** The project that the demo tests: a rocket in a few lines of shell, so that it runs wherever the bot does. */

export const ROCKET = 'acme/rocket';

/** What it carries is nobody's business but the crew's: a private repository, whose runs are shown to those who may read it. */
export const PAYLOAD = 'acme/payload';

export const payloadFiles = (kilograms: number): Files => ({
  'README.md': '# Payload\n\nWhat the rocket carries. `ci/run` weighs it.\n',
  'src/mass.txt': `${kilograms}\n`,
  'ci/run': {
    content: `#!/bin/sh
cd "$(dirname "$0")/.." || exit 2
mass=$(cat src/mass.txt)
echo "1..1"
[ "$mass" -le 1200 ] && echo "ok 1 - the payload weighs $mass kg" && exit
echo "not ok 1 - $mass kg are too heavy"
exit 1
`,
    mode: '100755',
  },
});

/** What a commit of the demo does to the project's tests. */
export const changeKinds = ['passing', 'failing', 'slow', 'nothing'] as const;
export type ChangeKind = (typeof changeKinds)[number];

type Files = NonNullable<NewRepository['files']>;

export const SLOW_SECONDS = 30;

/** The whole project as it is at first. */
export const rocketFiles = (): Files => ({ ...UNCHANGED, ...changedFiles('passing', 0) });

/** Everything that commits change: each one is complete, so that a passing commit mends whatever was pushed before it.
 *  `serial` makes it differ from the others. */
export function changedFiles(kind: ChangeKind, serial: number): Files {
  const engines = kind === 'failing' ? 5 : 9;
  const holdSeconds = kind === 'slow' ? SLOW_SECONDS : 1;
  return {
    'src/flight.sh': flight(engines, holdSeconds, 162 + serial),
    // Without the permission to execute it, it is a text like any other: then there is nothing to run.
    'ci/run': { content: CI_RUN, mode: kind === 'nothing' ? '100644' : '100755' },
  };
}

const flight = (engines: number, holdSeconds: number, burnSeconds: number) => `# How the rocket flies. kN, t, s, m/s.
engines=${engines}
thrust_per_engine=845
mass=549
stages=2
burn_seconds=${burnSeconds}
hold_seconds=${holdSeconds}
landing_speed=5
`;

const CI_RUN = `#!/bin/sh
# Runs every test of tests/ and prints TAP (https://testanything.org), coloured for people.
cd "$(dirname "$0")/.." || exit 2
red=$(printf '\\033[31m') green=$(printf '\\033[32m') bold=$(printf '\\033[1m') dim=$(printf '\\033[2m')
reset=$(printf '\\033[0m')

set -- tests/*.sh
echo "\${bold}Testing the rocket: $# tests\${reset}"
echo "TAP version 14"
echo "1..$#"
number=0 failed=0
for file in "$@"; do
  number=$((number + 1))
  name=$(basename "$file" .sh)
  if dim=$dim red=$red reset=$reset sh "$file"; then
    echo "\${green}ok $number - \${name#*-}\${reset}"
  else
    failed=$((failed + 1))
    echo "\${red}not ok $number - \${name#*-}\${reset}"
  fi
done
if [ "$failed" -gt 0 ]; then
  echo "\${bold}\${red}$failed of $number tests failed\${reset}"
  exit 1
fi
echo "\${bold}\${green}All $number tests passed: ready for launch\${reset}"
`;

const TEST_WORDS = `# What every test begins with.
. src/flight.sh
say() { echo "\${dim}# $*\${reset}"; }
complain() { echo "\${red}#   $*\${reset}"; failed=1; }
failed=0
sleep 0.2
`;

/** A test says what it looks at, complains about what is wrong, and its status is whether it complained. */
const testFile = (...lines: string[]) => ['. tests/words', ...lines, 'exit $failed', ''].join('\n');

const UNCHANGED: Files = {
  'README.md': '# Rocket\n\nA small rocket with two stages. `ci/run` tests it.\n',
  'tests/words': TEST_WORDS,
  'tests/1-ignition.sh': testFile(
    'say "lighting $engines engines"',
    '[ "$engines" -ge 7 ] || complain "expected at least 7 engines to light, got $engines"',
  ),
  'tests/2-thrust.sh': testFile(
    'thrust=$((engines * thrust_per_engine)) weight=$((mass * 981 / 100))',
    'say "thrust $thrust kN, weight $weight kN"',
    '[ "$thrust" -gt "$weight" ] || complain "expected more thrust than weight: it would stay on the ground"',
  ),
  'tests/3-hold-down.sh': testFile(
    'for second in $(seq "$hold_seconds"); do',
    '  say "second $second of $hold_seconds: chamber pressure $((96 + second % 3)) bar"',
    '  sleep 1',
    'done',
  ),
  'tests/4-staging.sh': testFile(
    'say "$stages stages, the first one burns for $burn_seconds s"',
    '[ "$stages" -eq 2 ] || complain "expected 2 stages, got $stages"',
  ),
  'tests/5-landing.sh': testFile(
    'say "touching down at $landing_speed m/s"',
    '[ "$landing_speed" -le 7 ] || complain "expected at most 7 m/s, got $landing_speed m/s"',
  ),
};

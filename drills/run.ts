// npm run drills [-- kill hang … --seconds 9 --rate 200 --json]: each event of docs/operations.md with real processes and
// a real etcd under an open-loop load; one line each, exit status 1 where one did not keep its bound.
import { parseArgs } from "node:util";
import { didYouMean } from "../src/core/suggest.ts";
import { runDrill } from "./drill.ts";
import { etcdDrills } from "./etcd-drills.ts";
import { instanceDrills } from "./instance-drills.ts";
import { formatResult, heading } from "./report.ts";

const USAGE = `usage: npm run drills -- [drill …] [--seconds 9] [--rate 200] [--fleet 5000] [--json] [--list]

  --seconds  how long the load goes on from the event on
  --rate     requests per second, half of them GETs, half POSTs
  --fleet    instances of the drill of this name
  --json     a line of JSON for each drill
  --list     the drills and their events`;

const drills = [...instanceDrills, ...etcdDrills];
const { values, positionals } = readArguments();

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        seconds: { type: "string", default: "9" },
        rate: { type: "string", default: "200" },
        fleet: { type: "string", default: "5000" },
        json: { type: "boolean", default: false },
        list: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    return refuse((error as Error).message); // parseArgs throws nothing else
  }
}

function numberOf(flag: string, text: string): number {
  const number = Number(text);
  if (number > 0 && number <= 100_000) return number;
  return refuse(`--${flag} is ${JSON.stringify(text)}; expected a number above 0`);
}

function refuse(message: string): never {
  console.error(`${message}\n${USAGE}`);
  process.exit(2);
}

const names = drills.map(({ name }) => name);
for (const name of positionals) {
  if (!names.includes(name)) refuse(`there is no drill ${JSON.stringify(name)}${didYouMean(name, names)}`);
}
const options = {
  seconds: numberOf("seconds", values.seconds),
  perSecond: numberOf("rate", values.rate),
  fleet: numberOf("fleet", values.fleet),
  beforeMs: 1000,
  slack: 0,
};

if (values.help) console.log(USAGE);
else if (values.list) for (const { name, event } of drills) console.log(`${name.padEnd(14)}${event}`);
else {
  if (!values.json) console.log(heading());
  for (const drill of drills) {
    if (positionals.length > 0 && !positionals.includes(drill.name)) continue;
    const result = await runDrill(drill, options);
    if (result.problems.length > 0) process.exitCode = 1;
    console.log(values.json ? JSON.stringify(result) : formatResult(result));
  }
}

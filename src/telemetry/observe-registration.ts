import type { RegistrationEvent } from "../discovery/events.ts";
import type { Log } from "./log.ts";

/** Writes what a registration tells: what became of its keys at `info`, what an operator may have to see to at `warn`. */
export function observeRegistration(log: Log): (event: RegistrationEvent) => void {
  return (event) => {
    const { type, ...facts } = event;
    switch (type) {
      case "registered":
        return log.logger.info(facts, "registered");
      case "deregistered":
        return log.logger[event.revoked ? "info" : "warn"](facts, "deregistered");
      case "recovered":
        return log.logger.info(facts, "etcd works again");
      case "trouble":
        return log.logger.warn(facts, "trouble with etcd, tries go on");
      case "lease_lost":
        return log.logger.warn(facts, "lease lost");
      case "key_lost":
        return log.logger.warn(facts, "key lost");
      case "health":
        return log.logger[event.serving ? "info" : "warn"](facts, event.serving ? "serving" : "not serving");
      default:
        return type satisfies never;
    }
  };
}

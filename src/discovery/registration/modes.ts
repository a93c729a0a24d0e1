/** The schemes in which an instance is written (`formatEntry`), by the name of what reads them. */
export const REGISTRATION_FORMATS = ["endpoints", "plain", "hostname", "go-zero", "kratos"] as const;
export type RegistrationFormat = (typeof REGISTRATION_FORMATS)[number];

/**
 * When an instance counts as serving:
 *
 *     listening   from its first TCP connection on
 *     tcp         while it takes TCP connections
 *     grpc        while its grpc.health.v1 says SERVING; where it has no such service, while it answers gRPC calls
 */
export const HEALTH_MODES = ["listening", "tcp", "grpc"] as const;
export type HealthMode = (typeof HEALTH_MODES)[number];

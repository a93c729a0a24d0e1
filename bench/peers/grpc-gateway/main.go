// grpc-gateway as its README has it: one ServeMux in front of one address.
package main

import (
	"context"
	"log"
	"net/http"
	"os"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	benchv1 "bench/benchv1"
)

func main() {
	mux := runtime.NewServeMux()
	options := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	for _, register := range []func(context.Context, *runtime.ServeMux, string, []grpc.DialOption) error{
		benchv1.RegisterCatalogHandlerFromEndpoint,
		benchv1.RegisterShapeStoreHandlerFromEndpoint,
	} {
		if err := register(context.Background(), mux, os.Args[2], options); err != nil {
			log.Fatal(err)
		}
	}
	log.Fatal(http.ListenAndServe(os.Args[1], mux))
}

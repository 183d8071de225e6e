// Asks the validation of k8s.io/apiextensions-apiserver why it refuses CRDs; schemas.yaml says how.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/install"
	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apimachinery/pkg/runtime"
)

func main() {
	scheme := runtime.NewScheme()
	install.Install(scheme)
	var crds []v1.CustomResourceDefinition
	if err := json.NewDecoder(os.Stdin).Decode(&crds); err != nil {
		panic(err)
	}
	out := [][][2]string{}
	for i := range crds {
		scheme.Default(&crds[i])
		internal := &apiextensions.CustomResourceDefinition{}
		if err := scheme.Convert(&crds[i], internal, nil); err != nil {
			panic(err)
		}
		told := [][2]string{}
		for _, e := range validation.ValidateCustomResourceDefinition(context.TODO(), internal) {
			told = append(told, [2]string{e.Field, e.ErrorBody()})
		}
		out = append(out, told)
	}
	b, _ := json.MarshalIndent(out, "", " ")
	fmt.Println(string(b))
}

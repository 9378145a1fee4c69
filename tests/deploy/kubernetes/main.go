// Holds deploy/kubernetes against Kubernetes itself: the folder is built as `kubectl apply -k` builds it, each object is decoded strictly into the types of the API
// (an unknown or doubled field is an error), gets the API server's defaults, and goes through the API server's own validation; the pods go through the evaluation of
// the pod security standard "restricted". Prints each finding and ends with 1 if there is one.
package main

import (
	"fmt"
	"os"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	kjson "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/apps"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	appsvalidation "k8s.io/kubernetes/pkg/apis/apps/validation"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	corevalidation "k8s.io/kubernetes/pkg/apis/core/validation"
	"k8s.io/kubernetes/pkg/apis/networking"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	networkingvalidation "k8s.io/kubernetes/pkg/apis/networking/validation"
	"k8s.io/kubernetes/pkg/apis/policy"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	policyvalidation "k8s.io/kubernetes/pkg/apis/policy/validation"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	appsv1 "k8s.io/api/apps/v1"
	psa "k8s.io/pod-security-admission/api"
	psapolicy "k8s.io/pod-security-admission/policy"
)

// What the API server would refuse. A kind that is not here is a finding, too: nothing passes unseen.
func refused(object runtime.Object) field.ErrorList {
	switch o := object.(type) {
	case *core.ConfigMap:
		return corevalidation.ValidateConfigMap(o)
	case *core.Service:
		// As the API server fills in what clients of before dual stack leave out.
		if o.Spec.ClusterIP != "" && len(o.Spec.ClusterIPs) == 0 {
			o.Spec.ClusterIPs = []string{o.Spec.ClusterIP}
		}
		return corevalidation.ValidateServiceCreate(o)
	case *core.ServiceAccount:
		return corevalidation.ValidateServiceAccount(o)
	case *apps.StatefulSet:
		return appsvalidation.ValidateStatefulSet(o, corevalidation.PodValidationOptions{})
	case *networking.NetworkPolicy:
		return networkingvalidation.ValidateNetworkPolicy(o, networkingvalidation.NetworkPolicyValidationOptions{})
	case *policy.PodDisruptionBudget:
		return policyvalidation.ValidatePodDisruptionBudget(o, policyvalidation.PodDisruptionBudgetValidationOptions{})
	}
	return field.ErrorList{field.InternalError(nil, fmt.Errorf("%T: nobody validates this kind here: add it to tests/deploy/kubernetes/main.go", object))}
}

// What the pod security standard "restricted" has against the pods.
func insecure(set *appsv1.StatefulSet) ([]string, error) {
	evaluator, err := psapolicy.NewEvaluator(psapolicy.DefaultChecks())
	if err != nil {
		return nil, err
	}
	template := set.Spec.Template
	var found []string
	for _, result := range evaluator.EvaluatePod(psa.LevelVersion{Level: psa.LevelRestricted, Version: psa.LatestVersion()}, &template.ObjectMeta, &template.Spec) {
		if !result.Allowed {
			found = append(found, result.ForbiddenReason+": "+result.ForbiddenDetail)
		}
	}
	return found, nil
}

// The findings about one document, and what it is.
func look(document []byte) (string, []string) {
	decoder := kjson.NewSerializerWithOptions(kjson.DefaultMetaFactory, legacyscheme.Scheme, legacyscheme.Scheme, kjson.SerializerOptions{Yaml: true, Strict: true})
	object, kind, err := decoder.Decode(document, nil, nil)
	if err != nil {
		return "a document", []string{err.Error()}
	}
	meta := object.(metav1.Object)
	name := kind.Kind + " " + meta.GetName()
	if meta.GetNamespace() == "" {
		meta.SetNamespace("default")
	}
	var found []string
	legacyscheme.Scheme.Default(object)
	if set, ok := object.(*appsv1.StatefulSet); ok {
		said, err := insecure(set)
		if err != nil {
			return name, []string{err.Error()}
		}
		for _, one := range said {
			found = append(found, "pod security standard restricted: "+one)
		}
	}
	internal, err := legacyscheme.Scheme.ConvertToVersion(object, runtime.InternalGroupVersioner)
	if err != nil {
		return name, append(found, err.Error())
	}
	for _, one := range refused(internal) {
		found = append(found, one.Error())
	}
	return name, found
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: check FOLDER_WITH_KUSTOMIZATION")
		os.Exit(2)
	}
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "kustomize build:", err)
		os.Exit(1)
	}
	good, bad := 0, 0
	for _, resource := range built.Resources() {
		text, err := resource.AsYAML()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		name, found := look(text)
		if len(found) == 0 {
			fmt.Println("ok  ", name)
			good++
			continue
		}
		bad++
		fmt.Println("BAD ", name)
		for _, one := range found {
			fmt.Println("       " + strings.ReplaceAll(one, "\n", "\n       "))
		}
	}
	fmt.Printf("%d passed, %d failed\n", good, bad)
	if bad != 0 || good == 0 {
		os.Exit(1)
	}
}

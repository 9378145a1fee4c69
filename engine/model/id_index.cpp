#include "engine/model/id_index.h"
